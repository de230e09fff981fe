use anyhow::anyhow;

/// Thirty-two random hexadecimal digits, for a secret that lives as long as the process.
pub(crate) fn random() -> anyhow::Result<String> {
    hex::<16>()
}

/// Four random hexadecimal digits, to tell apart servers that would have the same name.
pub(crate) fn suffix() -> anyhow::Result<String> {
    hex::<2>()
}

fn hex<const BYTES: usize>() -> anyhow::Result<String> {
    let mut random = [0; BYTES];
    getrandom::fill(&mut random).map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}
