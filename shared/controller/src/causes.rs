//! Errors as they are logged and shown: with their causes, once, on one line.

use std::error::Error;

/// The error and its causes, from the outermost to the innermost.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StoreError;

    #[test]
    fn what_the_store_said_is_told() {
        let refused = StoreError::Refused {
            table: "t".to_owned(),
            code: "AccessDeniedException".into(),
            message: "not authorized".to_owned(),
        };
        let told = with_causes(&crate::Error::from(refused));
        assert_eq!(told, "the store failed: the table t refused: AccessDeniedException: not authorized");
    }
}
