//! Names that people give, checked before anything is sent.

/// The name of a Region.
///
/// # Errors
/// What is allowed.
pub fn region(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !text.is_empty() && text.len() <= 32 && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err("allowed are 1-32 lower-case letters, digits and '-', such as us-east-1".to_owned())
}

/// The name of a table (DynamoDB's naming rules).
///
/// # Errors
/// What is allowed.
pub fn table(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if matches!(text.len(), 3..=255) && text.bytes().all(allowed) {
        return Ok(text.to_owned());
    }
    Err("allowed are 3-255 letters, digits, '_', '.' and '-'".to_owned())
}
