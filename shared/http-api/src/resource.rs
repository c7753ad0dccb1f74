//! What there is: a path each, with its methods and their parameters.
//!
//! Who adds a method adds it to [`Method`], to [`Resource::methods`], to [`Resource::parameters`] and to [`Resource::answer`]:
//! the compiler and the tests name what is missing.

use aws_adapters::DynamoStore;
use controller::Operator;
use lambda_http::http;
use replication::Phase;
use serde_json::{Value, json};

use crate::list::list;
use crate::problem::Problem;
use crate::query::{PAGING, Query};

/// A path of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    Health,
    Publishers,
    Replicas,
    Rules,
}

/// What may be done at some path. HEAD is GET without the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
}

impl Resource {
    pub(crate) const ALL: [Self; 4] = [Self::Health, Self::Publishers, Self::Replicas, Self::Rules];

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Publishers => "/publishers",
            Self::Replicas => "/replicas",
            Self::Rules => "/rules",
        }
    }

    pub(crate) fn at(path: &str) -> Result<Self, Problem> {
        let found = Self::ALL.into_iter().find(|resource| resource.path() == path);
        found.ok_or_else(|| Problem::UnknownPath { path: path.to_owned() })
    }

    fn methods(self) -> &'static [Method] {
        match self {
            Self::Health | Self::Publishers | Self::Replicas | Self::Rules => &[Method::Get],
        }
    }

    pub(crate) fn method(self, asked: &http::Method) -> Result<Method, Problem> {
        let found = self.methods().iter().find(|method| method.names().contains(&asked.as_str()));
        found.copied().ok_or_else(|| Problem::MethodNotAllowed {
            path: self.path(),
            method: asked.to_string(),
            allowed: self.methods().iter().flat_map(|method| method.names()).copied().collect(),
        })
    }

    /// The parameters of the query, those of lists aside.
    pub(crate) fn parameters(self, method: Method) -> Vec<&'static str> {
        let own: &[&str] = match (self, method) {
            (Self::Health, Method::Get) => return Vec::new(),
            (Self::Publishers, Method::Get) => &["stage"],
            (Self::Replicas, Method::Get) => &["source", "destination", "phase"],
            (Self::Rules, Method::Get) => &["source"],
        };
        [own, &PAGING].concat()
    }

    pub(crate) async fn answer(
        self,
        method: Method,
        query: &Query,
        store: &DynamoStore,
    ) -> Result<Value, Problem> {
        match (self, method) {
            (Self::Health, Method::Get) => health(store).await,
            (Self::Publishers, Method::Get) => publishers(query, store).await,
            (Self::Replicas, Method::Get) => replicas(query, store).await,
            (Self::Rules, Method::Get) => rules(query, store).await,
        }
    }
}

impl Method {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Get => &["GET", "HEAD"],
        }
    }
}

/// The read that every function makes first: the orders for all stages.
async fn health(store: &DynamoStore) -> Result<Value, Problem> {
    let control = store.control().await?;
    Ok(json!({ "status": "ok", "paused": control.pause.is_some(), "version": env!("CARGO_PKG_VERSION") }))
}

async fn rules(query: &Query, store: &DynamoStore) -> Result<Value, Problem> {
    let source = query.stage("source")?;
    let paging = query.paging()?;
    let page = store.rules_page(source.as_ref(), paging.window()).await?;
    Ok(list::<_, views::Rule>("rules", page))
}

async fn publishers(query: &Query, store: &DynamoStore) -> Result<Value, Problem> {
    let stage = query
        .stage("stage")?
        .ok_or(Problem::MissingParameter { names: &["stage"], allowed: "the ARN of the stage" })?;
    let paging = query.paging()?;
    let page = store.publishers_page(&stage, paging.window()).await?;
    Ok(list::<_, views::Publisher>("publishers", page))
}

async fn replicas(query: &Query, store: &DynamoStore) -> Result<Value, Problem> {
    let (source, destination) = (query.stage("source")?, query.stage("destination")?);
    let phase = query.one_of("phase", &Phase::NAMES)?;
    let paging = query.paging()?;
    let page = match (source, destination) {
        (Some(source), None) => store.replicas_from_page(&source, phase, paging.window()).await?,
        (None, Some(destination)) => store.replicas_to_page(&destination, phase, paging.window()).await?,
        (None, None) => {
            return Err(Problem::MissingParameter {
                names: &["source", "destination"],
                allowed: "the ARN of a stage for exactly one of them",
            });
        }
        (Some(_), Some(destination)) => {
            return Err(Problem::InvalidParameter {
                name: "destination".to_owned(),
                value: destination.to_string(),
                allowed: "either source or destination, not both".to_owned(),
            });
        }
    };
    Ok(list::<_, views::Replica>("replicas", page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_exact() {
        for resource in Resource::ALL {
            assert_eq!(Resource::at(resource.path()).ok(), Some(resource));
        }
        for path in ["/", "", "/rules/", "/Rules", "/rules/one", "rules"] {
            assert!(Resource::at(path).is_err(), "{path}");
        }
    }
}
