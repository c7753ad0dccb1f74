//! A request as it came: who asks for what, with which body and headers.

use jiff::Timestamp;
use lambda_http::http::{HeaderMap, header};
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use rules_file::Json;
use serde::de::DeserializeOwned;

use crate::keys::Key;
use crate::operation::{Body, IfMatch, Operation};
use crate::problem::Problem;
use crate::query::{Query, decoded};

/// The largest body, in bytes. The largest rule has some 130 kB, and a plan takes all rules.
const MAX_BODY: usize = 1 << 20;

/// The longest reason, in characters.
const MAX_REASON: usize = 256;

/// What a reason may be.
pub(crate) const REASON: &str = "a text of 1-256 characters";

/// A request that is understood as far as its form goes.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) operation: Operation,
    /// What stands in the path's place of `{id}`, decoded.
    id: Option<String>,
    pub(crate) query: Query,
    /// The revision that `If-Match` names.
    pub(crate) expected: Option<u64>,
    /// The body, if there is one.
    body: Option<Json>,
    pub(crate) key: Option<Key>,
    /// Who asks: the ARN that IAM knows.
    pub(crate) caller: String,
    pub(crate) now: Timestamp,
}

impl Call {
    pub(crate) fn read(request: &Request) -> Result<Self, Problem> {
        // As it came: the URL has lost what looks like a step upwards, and `..` may be the id of a rule.
        let path = Some(request.raw_http_path()).filter(|path| !path.is_empty());
        let (path, headers) = (path.unwrap_or(request.uri().path()), request.headers());
        let (operation, id) = Operation::at(path, request.method())?;
        let route = operation.route();
        let names = route.parameters.iter().map(|parameter| parameter.name()).collect();
        let query = Query::read(request.uri().query().unwrap_or_default(), names)?;
        let id = match id {
            None => None,
            Some(id) => Some(
                decoded(&id, false)
                    .ok_or_else(|| Problem::invalid_parameter("id", &id, "percent-encoded UTF-8"))?,
            ),
        };
        let expected = if_match(headers, route.if_match)?;
        let bytes: &[u8] = request.body().as_ref();
        let body = body(headers, bytes, route.body)?;
        let caller = caller(request);
        let key = if operation.takes_key() {
            let etag = expected.unwrap_or_default().to_be_bytes();
            Key::read(
                headers,
                &caller,
                &[request.method().as_str().as_bytes(), path.as_bytes(), &etag, bytes],
            )?
        } else {
            None
        };
        Ok(Self { operation, id, query, expected, body, key, caller, now: Timestamp::now() })
    }

    /// What the path names, as an id of this type.
    pub(crate) fn id<T>(&self) -> Result<T, Problem>
    where
        T: std::str::FromStr<Err = replication::IdError>,
    {
        let id = self.id.as_deref().unwrap_or_default();
        id.parse().map_err(|error: replication::IdError| Problem::invalid_parameter("id", id, error.allowed))
    }

    /// The body; an empty mapping if there is none.
    pub(crate) fn body(&self) -> Json {
        self.body.clone().unwrap_or_else(|| Json::Mapping(Vec::new()))
    }

    /// The body as this. `allowed` says what a field may hold, by its path.
    pub(crate) fn body_as<T: DeserializeOwned>(
        &self,
        allowed: impl Fn(&str) -> &'static str,
    ) -> Result<T, Problem> {
        rules_file::json::read(&self.body()).map_err(|misfit| Problem::misfit(&misfit, allowed))
    }
}

/// A reason, as it may be.
pub(crate) fn checked_reason(reason: &str) -> Option<String> {
    let length = reason.chars().count();
    ((1..=MAX_REASON).contains(&length)).then(|| reason.to_owned())
}

fn if_match(headers: &HeaderMap, wanted: IfMatch) -> Result<Option<u64>, Problem> {
    let given = headers.get(header::IF_MATCH).filter(|_| wanted != IfMatch::No);
    let Some(value) = given else {
        return if wanted == IfMatch::Must { Err(Problem::precondition_required()) } else { Ok(None) };
    };
    let shown = String::from_utf8_lossy(value.as_bytes());
    let digits = shown.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    let revision = digits.and_then(|digits| digits.parse().ok()).filter(|revision| *revision > 0);
    let allowed = "one revision in quotes, such as \"3\"; the ETag of an answer has it";
    revision.map(Some).ok_or_else(|| Problem::invalid_header("If-Match", &shown, allowed))
}

fn body(headers: &HeaderMap, bytes: &[u8], wanted: Body) -> Result<Option<Json>, Problem> {
    if bytes.len() > MAX_BODY {
        return Err(Problem::too_large(bytes.len(), MAX_BODY));
    }
    if wanted == Body::None || (wanted == Body::Optional && bytes.is_empty()) {
        return Ok(None);
    }
    let content_type =
        headers.get(header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let is_json = content_type.as_deref().is_some_and(|given| {
        given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
    });
    if !is_json {
        return Err(Problem::media_type(content_type.as_deref()));
    }
    Ok(Some(Json::parse(bytes)?))
}

/// Who asks, as the Function URL has it from IAM. Without that nobody gets this far.
fn caller(request: &Request) -> String {
    let RequestContext::ApiGatewayV2(context) = request.request_context() else { return unknown() };
    let iam = context.authorizer.and_then(|authorizer| authorizer.iam);
    iam.and_then(|iam| iam.user_arn).unwrap_or_else(unknown)
}

fn unknown() -> String {
    "(unknown)".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        [(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn if_match_is_one_revision() {
        let read = |value: &str| if_match(&headers("if-match", value), IfMatch::Must);
        assert_eq!(read("\"3\"").unwrap(), Some(3));
        for wrong in
            ["3", "\"\"", "\"0\"", "\"3\", \"4\"", "W/\"3\"", "*", "\"+3\"", "\"99999999999999999999\""]
        {
            assert_eq!(read(wrong).unwrap_err().status(), 400, "{wrong}");
        }
        assert_eq!(if_match(&HeaderMap::new(), IfMatch::Must).unwrap_err().status(), 428);
        assert_eq!(if_match(&HeaderMap::new(), IfMatch::May).unwrap(), None);
        assert_eq!(if_match(&headers("if-match", "\"3\""), IfMatch::No).unwrap(), None);
    }

    #[test]
    fn a_body_is_json_and_not_too_large() {
        let json = headers("content-type", "application/json");
        let status = |headers: &HeaderMap, bytes: &[u8], wanted| {
            body(headers, bytes, wanted).map(|body| body.is_some()).map_err(|problem| problem.status())
        };
        assert_eq!(status(&json, b"{}", Body::Required), Ok(true));
        assert_eq!(
            status(&headers("content-type", "Application/JSON; charset=utf-8"), b"{}", Body::Optional),
            Ok(true)
        );
        assert_eq!(status(&HeaderMap::new(), b"", Body::Optional), Ok(false));
        assert_eq!(status(&HeaderMap::new(), b"whatever", Body::None), Ok(false));
        assert_eq!(status(&json, b"", Body::Required), Err(400));
        assert_eq!(status(&HeaderMap::new(), b"{}", Body::Required), Err(415));
        for other in ["text/plain", "application/jsonp", "application/x-yaml"] {
            assert_eq!(status(&headers("content-type", other), b"{}", Body::Optional), Err(415), "{other}");
        }
        assert_eq!(status(&json, &vec![b' '; MAX_BODY + 1], Body::Required), Err(413));
        assert_eq!(status(&HeaderMap::new(), &vec![b' '; MAX_BODY + 1], Body::None), Err(413));
    }
}
