//! A value in the template together with the way that led to it, for errors a person can act on.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::Error;

/// A place in the template.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Cursor<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { path: String::new(), value }
    }

    /// The same place with another value, such as one with its functions resolved.
    pub(super) fn with<'b>(&self, value: &'b Value) -> Cursor<'b> {
        Cursor { path: self.path.clone(), value }
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    pub(super) fn get(&self, key: &str) -> Option<Cursor<'a>> {
        self.value.get(key).map(|value| self.step(key, value))
    }

    pub(super) fn need(&self, key: &str) -> Result<Cursor<'a>, Error> {
        self.get(key).ok_or_else(|| Error::Missing { at: self.path.clone(), field: key.to_owned() })
    }

    pub(super) fn fields(&self) -> Result<Vec<(String, Cursor<'a>)>, Error> {
        let fields = self.value.as_object().ok_or_else(|| self.unexpected("a mapping"))?;
        Ok(fields.iter().map(|(key, value)| (key.clone(), self.step(key, value))).collect())
    }

    pub(super) fn items(&self) -> Result<Vec<Cursor<'a>>, Error> {
        let items = self.value.as_array().ok_or_else(|| self.unexpected("a list"))?;
        Ok(items.iter().enumerate().map(|(index, value)| self.step(&index.to_string(), value)).collect())
    }

    /// A scalar as text, as CloudFormation hands it to a function's environment.
    pub(super) fn text(&self) -> Result<String, Error> {
        match self.value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            _ => Err(self.unexpected("a scalar")),
        }
    }

    pub(super) fn whole_number(&self) -> Result<u32, Error> {
        let number = self.value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.unexpected("a whole number"))
    }

    pub(super) fn number_in(&self, allowed: &RangeInclusive<u32>) -> Result<u32, Error> {
        let number = self.whole_number()?;
        if allowed.contains(&number) {
            return Ok(number);
        }
        let (least, most) = (allowed.start(), allowed.end());
        Err(self.uninterpreted(&format!("`{number}` is not between {least} and {most}")))
    }

    pub(super) fn flag(&self) -> Result<bool, Error> {
        self.value.as_bool().ok_or_else(|| self.unexpected("true or false"))
    }

    /// Refuses every field that is not in one of the lists.
    pub(super) fn only(&self, lists: &[&[&str]]) -> Result<(), Error> {
        for (key, field) in self.fields()? {
            if !lists.iter().any(|list| list.contains(&key.as_str())) {
                let known = lists.concat().join(", ");
                return Err(
                    field.uninterpreted(&format!("the stand does not know this field; it knows {known}"))
                );
            }
        }
        Ok(())
    }

    pub(super) fn uninterpreted(&self, reason: &str) -> Error {
        Error::Uninterpreted { at: self.path.clone(), reason: reason.to_owned() }
    }

    fn unexpected(&self, wanted: &str) -> Error {
        self.uninterpreted(&format!("`{}` is not {wanted}", self.value))
    }

    fn step<'b>(&self, key: &str, value: &'b Value) -> Cursor<'b> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Cursor { path, value }
    }
}
