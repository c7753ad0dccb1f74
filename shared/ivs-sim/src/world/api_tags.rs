//! TagResource, UntagResource and ListTagsForResource. Of the resources that can have tags, only stages exist here.

use serde_json::{Value, json};

use super::World;
use super::entities::Strings;
use crate::error::ApiError;

/// "50 tags per resource" (API reference).
const MAX_TAGS: usize = 50;

impl World {
    pub(super) fn tag_resource(&mut self, arn: &str, tags: Strings) -> Result<Value, ApiError> {
        let stage = self.stage_mut(arn)?;
        check_tags(&tags)?;
        let mut merged = stage.tags.clone();
        merged.extend(tags);
        if merged.len() > MAX_TAGS {
            let message = format!("{arn} would have {} tags, the limit is {MAX_TAGS}", merged.len());
            return Err(ApiError::validation(message));
        }
        stage.tags = merged;
        Ok(json!({}))
    }

    pub(super) fn untag_resource(&mut self, arn: &str, keys: Vec<String>) -> Result<Value, ApiError> {
        let stage = self.stage_mut(arn)?;
        for key in keys {
            stage.tags.remove(&key);
        }
        Ok(json!({}))
    }

    pub(super) fn list_tags_for_resource(&self, arn: &str) -> Result<Value, ApiError> {
        Ok(json!({"tags": self.stage(arn)?.tags}))
    }
}

/// What the Tag Editor guide asks beyond the model: letters, digits, spaces and `_.:/=+-@`, and no prefix `aws:`.
pub(super) fn check_tags(tags: &Strings) -> Result<(), ApiError> {
    let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c);
    for (key, value) in tags {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(ApiError::validation(format!(
                "tag key {key:?} starts with the reserved prefix aws:"
            )));
        }
        if let Some(bad) = key.chars().chain(value.chars()).find(|c| !allowed(*c)) {
            return Err(ApiError::validation(format!("tag {key:?} contains {bad:?}, which tags may not")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, value: &str) -> Result<(), ApiError> {
        check_tags(&Strings::from([(key.to_owned(), value.to_owned())]))
    }

    #[test]
    fn tags_may_hold_arns_and_letters_of_any_script_but_no_lists() {
        assert!(check("arn:aws:ivs:us-east-1:1:stage/a", "a+b c=d@e").is_ok());
        assert!(check("größe", "大").is_ok());
        for (key, value) in [("a,b", ""), ("k", "a;b"), ("k", "{}"), ("k", "*"), ("AWS:x", "")] {
            assert!(check(key, value).is_err(), "{key} {value}");
        }
    }
}
