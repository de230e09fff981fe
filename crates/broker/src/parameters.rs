use crate::config::{Config, NotSet, PARAMETERS, find};

/// Parameters to start a broker with, under Redis's names, as `CONFIG SET` takes them.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

/// Why a parameter cannot have that value; the text is Redis's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct BadParameter(String);

impl Parameters {
    /// Whether `CONFIG SET` can change a parameter of that name, in any case.
    pub fn has(name: &str) -> bool {
        find(name.as_bytes()).is_some_and(|parameter| !parameter.is_fact())
    }

    /// The names of all that there are.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PARAMETERS.iter().filter(|parameter| !parameter.is_fact()).map(|parameter| parameter.name)
    }

    /// Sets one that [exists](Self::has); of two values for one parameter the later holds.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), BadParameter> {
        match Config::by_default().set(&[(name.as_bytes(), value.as_bytes())]) {
            Ok(()) => {
                self.0.push((name.to_owned(), value.to_owned()));
                Ok(())
            }
            Err(NotSet::Refused(_, why)) => Err(BadParameter(why)),
            Err(NotSet::Unknown(_)) => Err(BadParameter("there is no such parameter".into())),
        }
    }

    /// The bounds of conversations and inboxes with these, for who keeps them elsewhere.
    pub fn ledger_limits(&self) -> naru_ledger::Limits {
        let config = Config::by_default();
        self.apply(&config);
        config.ledger_limits()
    }

    pub(crate) fn apply(&self, config: &Config) {
        for (name, value) in &self.0 {
            let set = config.set(&[(name.as_bytes(), value.as_bytes())]);
            set.expect("whether it can be set does not depend on what was set before, and it was tried");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_set_is_taken() {
        let mut parameters = Parameters::default();
        assert!(Parameters::has("MaxClients") && !Parameters::has("port") && !Parameters::has("nonsense"));
        assert_eq!(parameters.set("maxclients", "7"), Ok(()));
        assert_eq!(parameters.set("client-output-buffer-limit", "pubsub 1mb 0 0"), Ok(()));
        assert_eq!(
            parameters.set("maxclients", "0").unwrap_err().to_string(),
            "argument must be between 1 and 4294967295 inclusive"
        );
        assert!(parameters.set("nonsense", "1").is_err());
        assert_eq!(parameters.0.len(), 2);
        assert_eq!(parameters.set("ledger-body-bytes-max", "32kb"), Ok(()));
        assert_eq!(parameters.ledger_limits().body_bytes_max, 32 << 10);
        assert!(parameters.set("ledger-dedupe-window", "3600").is_err());
    }
}
