//! What there is: each path and method, with its parameters and what it takes.
//!
//! Who adds an operation adds it to [`Operation`], and the compiler names what is missing: its [`Route`] here, its handler in
//! [`crate::Api`], its schemas in the OpenAPI document.

use lambda_http::http;

use crate::problem::Problem;

/// Something that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Health,
    OpenApi,
    ListRules,
    CreateRule,
    GetRule,
    ReplaceRule,
    DeleteRule,
    ListRevisions,
    PauseRule,
    ResumeRule,
    RollBackRule,
    ListVersus,
    StartVersus,
    GetVersus,
    ExtendVersus,
    EndVersus,
    ListPublishers,
    ListReplicas,
    Explain,
    ListActivity,
    Plan,
}

/// Where and how an operation is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) method: Method,
    /// With `{id}` for what stands in the place of a segment.
    pub(crate) path: &'static str,
    pub(crate) parameters: &'static [Parameter],
    pub(crate) body: Body,
    pub(crate) if_match: IfMatch,
}

/// HEAD is GET without the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Delete,
}

/// What an operation takes beside its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// Nothing.
    None,
    /// JSON, which may be left out if nothing in it is to be said.
    Optional,
    /// JSON.
    Required,
}

/// Whether an operation has to be told which revision it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// There is no revision.
    No,
    /// It may be.
    May,
    /// It has to be.
    Must,
}

/// A parameter of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Parameter {
    Source,
    Destination,
    Phase,
    Stage,
    Participant,
    Rule,
    Since,
    Reason,
    Limit,
    Next,
}

impl Operation {
    pub(crate) const ALL: [Self; 21] = [
        Self::Health,
        Self::OpenApi,
        Self::ListRules,
        Self::CreateRule,
        Self::GetRule,
        Self::ReplaceRule,
        Self::DeleteRule,
        Self::ListRevisions,
        Self::PauseRule,
        Self::ResumeRule,
        Self::RollBackRule,
        Self::ListVersus,
        Self::StartVersus,
        Self::GetVersus,
        Self::ExtendVersus,
        Self::EndVersus,
        Self::ListPublishers,
        Self::ListReplicas,
        Self::Explain,
        Self::ListActivity,
        Self::Plan,
    ];

    pub(crate) fn route(self) -> Route {
        use Parameter::*;
        match self {
            Self::Health => get("/health", &[]),
            Self::OpenApi => get("/openapi.json", &[]),
            Self::ListRules => get("/rules", &[Source, Limit, Next]),
            Self::CreateRule => post("/rules", Body::Required),
            Self::GetRule => get("/rules/{id}", &[]),
            Self::ReplaceRule => {
                Route { method: Method::Put, if_match: IfMatch::Must, ..post("/rules/{id}", Body::Required) }
            }
            Self::DeleteRule => Route {
                method: Method::Delete,
                if_match: IfMatch::Must,
                parameters: &[Reason],
                ..post("/rules/{id}", Body::None)
            },
            Self::ListRevisions => get("/rules/{id}/history", &[Limit, Next]),
            Self::PauseRule => Route { if_match: IfMatch::May, ..post("/rules/{id}/pause", Body::Optional) },
            Self::ResumeRule => {
                Route { if_match: IfMatch::May, ..post("/rules/{id}/resume", Body::Optional) }
            }
            Self::RollBackRule => {
                Route { if_match: IfMatch::May, ..post("/rules/{id}/rollback", Body::Optional) }
            }
            Self::ListVersus => get("/versus", &[]),
            Self::StartVersus => post("/versus", Body::Required),
            Self::GetVersus => get("/versus/{id}", &[]),
            Self::ExtendVersus => post("/versus/{id}/extend", Body::Required),
            Self::EndVersus => post("/versus/{id}/end", Body::None),
            Self::ListPublishers => get("/publishers", &[Stage, Limit, Next]),
            Self::ListReplicas => get("/replicas", &[Source, Destination, Phase, Limit, Next]),
            Self::Explain => get("/explain", &[Stage, Participant, Destination]),
            Self::ListActivity => {
                get("/activity", &[Stage, Since, Participant, Destination, Rule, Limit, Next])
            }
            Self::Plan => post("/plan", Body::Required),
        }
    }

    /// The operation that is asked for, with what stands in the place of `{id}`.
    pub(crate) fn at(path: &str, method: &http::Method) -> Result<(Self, Option<String>), Problem> {
        let at_path: Vec<_> = Self::ALL
            .into_iter()
            .filter_map(|operation| matched(operation.route().path, path).map(|id| (operation, id)))
            .collect();
        let Some((first, _)) = at_path.first() else {
            return Err(Problem::unknown_path(path, &Self::paths()));
        };
        let first = first.route().path;
        let names = |operation: Self| operation.route().method.names();
        let allow = || at_path.iter().flat_map(|(operation, _)| names(*operation)).copied().collect();
        let found = at_path.iter().find(|(operation, _)| names(*operation).contains(&method.as_str()));
        match found {
            Some((operation, id)) => Ok((*operation, id.map(str::to_owned))),
            None => Err(Problem::method_not_allowed(first, method.as_str(), allow())),
        }
    }

    /// Every path, once.
    pub(crate) fn paths() -> Vec<&'static str> {
        let mut paths: Vec<_> = Self::ALL.map(|operation| operation.route().path).into();
        paths.dedup();
        paths
    }

    /// Whether it changes something, and may carry an `Idempotency-Key`. PUT and DELETE need none: they are about one revision.
    pub(crate) fn takes_key(self) -> bool {
        self.route().method == Method::Post && self != Self::Plan
    }
}

const fn get(path: &'static str, parameters: &'static [Parameter]) -> Route {
    Route { method: Method::Get, path, parameters, body: Body::None, if_match: IfMatch::No }
}

const fn post(path: &'static str, body: Body) -> Route {
    Route { method: Method::Post, path, parameters: &[], body, if_match: IfMatch::No }
}

/// Whether a path is of this form; if so, what stands in the place of `{id}`, if there is such a place.
fn matched<'p>(form: &str, path: &'p str) -> Option<Option<&'p str>> {
    let (mut form, mut path) = (form.split('/'), path.split('/'));
    let mut id = None;
    loop {
        match (form.next(), path.next()) {
            (None, None) => return Some(id),
            (Some("{id}"), Some(segment)) if !segment.is_empty() => id = Some(segment),
            (Some(wanted), Some(segment)) if wanted == segment => {}
            _ => return None,
        }
    }
}

impl Method {
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Get => &["GET", "HEAD"],
            Self::Post => &["POST"],
            Self::Put => &["PUT"],
            Self::Delete => &["DELETE"],
        }
    }
}

impl Parameter {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Phase => "phase",
            Self::Stage => "stage",
            Self::Participant => "participant",
            Self::Rule => "rule",
            Self::Since => "since",
            Self::Reason => "reason",
            Self::Limit => "limit",
            Self::Next => "next",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, method: &http::Method) -> Option<(Operation, Option<String>)> {
        Operation::at(path, method).ok()
    }

    #[test]
    fn every_operation_is_found_at_its_path() {
        for operation in Operation::ALL {
            let Route { path, method, .. } = operation.route();
            let method = method.names()[0].parse().unwrap();
            let id = path.contains("{id}").then(|| "some-id".to_owned());
            assert_eq!(at(&path.replace("{id}", "some-id"), &method), Some((operation, id)), "{path}");
        }
    }

    #[test]
    fn a_path_is_exact() {
        for path in
            ["/", "", "/rules/", "/Rules", "/rules//history", "/rules/one/two", "/versus/a/end/", "rules"]
        {
            assert_eq!(at(path, &http::Method::GET), None, "{path}");
        }
        assert_eq!(at("/rules/a", &http::Method::HEAD), Some((Operation::GetRule, Some("a".to_owned()))));
        assert_eq!(at("/rules/a", &http::Method::POST), None);
    }
}
