//! What is asked for page by page, and how the function is.

use aws_adapters::{DynamoStore, Page};
use controller::Operator;
use replication::Phase;
use serde::Serialize;
use serde_json::{Map, Value, json};
use views::Unreadable;

use crate::answer::Answer;
use crate::problem::Problem;
use crate::query::{Query, token};

/// The read that every function makes first: the orders for all stages.
pub(crate) async fn health(store: &DynamoStore) -> Result<Answer, Problem> {
    let control = store.control().await?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(Answer::of(200, &json!({ "status": "ok", "paused": control.pause.is_some(), "version": version })))
}

pub(crate) async fn rules(query: &Query, store: &DynamoStore) -> Result<Answer, Problem> {
    let source = query.stage("source")?;
    let paging = query.paging()?;
    let page = store.rules_page(source.as_ref(), paging.window()).await?;
    Ok(list::<_, views::Rule>("rules", page))
}

pub(crate) async fn publishers(query: &Query, store: &DynamoStore) -> Result<Answer, Problem> {
    let stage = query.needed_stage("stage", "the ARN of the stage")?;
    let paging = query.paging()?;
    let page = store.publishers_page(&stage, paging.window()).await?;
    Ok(list::<_, views::Publisher>("publishers", page))
}

pub(crate) async fn replicas(query: &Query, store: &DynamoStore) -> Result<Answer, Problem> {
    let (source, destination) = (query.stage("source")?, query.stage("destination")?);
    let phase = query.one_of("phase", &Phase::NAMES)?;
    let paging = query.paging()?;
    let page = match (source, destination) {
        (Some(source), None) => store.replicas_from_page(&source, phase, paging.window()).await?,
        (None, Some(destination)) => store.replicas_to_page(&destination, phase, paging.window()).await?,
        (None, None) => {
            let allowed = "the ARN of a stage for exactly one of them";
            return Err(Problem::missing_parameter(&["source", "destination"], allowed));
        }
        (Some(_), Some(destination)) => {
            let allowed = "either source or destination, not both";
            return Err(Problem::invalid_parameter("destination", destination.as_str(), allowed));
        }
    };
    Ok(list::<_, views::Replica>("replicas", page))
}

fn list<T, V: for<'a> From<&'a T> + Serialize>(name: &str, page: Page<T>) -> Answer {
    let found = page.found.iter().map(|item| item.as_ref().map(V::from));
    page_of(name, found, page.next.as_ref().map(token))
}

/// A page of a list under this name. What cannot be read is named beside it.
pub(crate) fn page_of<'e, V: Serialize>(
    name: &str,
    found: impl IntoIterator<Item = Result<V, &'e controller::StoreError>>,
    next: Option<String>,
) -> Answer {
    let (mut shown, mut left_out) = (Vec::new(), Vec::new());
    for item in found {
        match item {
            Ok(item) => shown.push(item),
            Err(error) => left_out.push(Unreadable::from(error)),
        }
    }
    let mut body = Map::new();
    body.insert(name.to_owned(), json!(shown));
    if !left_out.is_empty() {
        body.insert("left_out".to_owned(), json!(left_out));
    }
    if let Some(next) = next {
        body.insert("next".to_owned(), next.into());
    }
    Answer::of(200, &Value::Object(body))
}
