//! Times in a configuration: `"5s"`, `"1h30m"`, `"0s"`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

/// For `#[serde(deserialize_with = "duration::deserialize")]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|_| D::Error::custom("it is no time: write it as \"5s\", \"1h30m\" or \"250ms\""))
}

/// As it is written in a configuration.
pub(crate) fn written(duration: Duration) -> String {
    humantime::format_duration(duration).to_string().replace(' ', "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_written_with_their_unit() {
        for (text, millis) in
            [("5s", 5_000), ("1h30m", 5_400_000), ("250ms", 250), ("0s", 0), ("720h", 2_592_000_000)]
        {
            assert_eq!(deserialize(json!(text)).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for wrong in [json!("5"), json!(""), json!(5), json!("5 bananas"), json!("-1s")] {
            deserialize(&wrong).unwrap_err();
        }
        assert_eq!(written(Duration::from_secs(5_400)), "1h30m");
    }
}
