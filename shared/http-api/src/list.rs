//! Pages of lists, as they are answered.

use aws_adapters::Page;
use serde::Serialize;
use serde_json::{Map, Value, json};
use views::Unreadable;

use crate::query::token;

/// A page of a list under this name.
pub(crate) fn list<T, V: for<'a> From<&'a T> + Serialize>(name: &str, page: Page<T>) -> Value {
    let (mut shown, mut left_out) = (Vec::new(), Vec::new());
    for item in page.found {
        match item {
            Ok(item) => shown.push(V::from(&item)),
            Err(error) => left_out.push(Unreadable::from(&error)),
        }
    }
    let mut body = Map::new();
    body.insert(name.to_owned(), json!(shown));
    if !left_out.is_empty() {
        body.insert("left_out".to_owned(), json!(left_out));
    }
    if let Some(next) = page.next {
        body.insert("next".to_owned(), token(&next).into());
    }
    body.into()
}
