//! Requests to function `api`, some after the other, as its Function URL hands them on. They are written as `.http` files have them:
//! a line with method and URL, headers, an empty line, a body; `###` stands between two.

#![allow(clippy::expect_used, reason = "a test that cannot go on shall panic")]

use std::collections::BTreeMap;

use controller::sweep::port::SweepStore;
use serde_json::Value;

use super::Reached;
use super::table::{Table, on_a_table};
use crate::http::{Answered, Asked, against_the_document};
use crate::table_world::kind;

/// Requests that are made of one input at most.
const MOST: usize = 8;

/// What a problem says at most, in bytes, the rule aside that it is about.
const LONGEST_PROBLEM: usize = 8_192;

/// Puts the requests of a file to an empty deployment.
///
/// # Panics
/// When an answer is not what the OpenAPI document says, is a 5xx, or is long without need; when a request that reads, or is refused,
/// changes something; when one that comes again under its key does something else than before; or when something is stored that cannot
/// be read afterwards.
pub fn http_api(bytes: &[u8]) -> Reached {
    let requests: Vec<Request> = requests(bytes).into_iter().take(MOST).collect();
    let mut reached = Reached::new();
    on_a_table(async |table| {
        for request in &requests {
            reached.insert(put(table, request).await);
        }
        is_readable(table).await;
    });
    reached
}

/// Puts one request, and the same once more if it has a key.
async fn put(table: &Table, request: &Request) -> String {
    let asked = request.asked();
    let before = table.items().await;
    let answered = match asked.clone().try_of(&table.api).await {
        Ok(answered) => answered,
        Err(error) => panic!("no answer: {error}\n{request:?}"),
    };
    let after = table.items().await;
    is_right(request, &asked, &answered);
    let reads = ["GET", "HEAD"].contains(&request.method.as_str()) || request.path == "/plan";
    if reads || answered.status >= 400 {
        assert_eq!(changed(&before, &after), Vec::<&str>::new(), "{request:?} {answered:?}");
    }
    if request.header("idempotency-key").is_some()
        && request.method == "POST"
        && answered.status < 300
        && !reads
    {
        let again = asked.try_of(&table.api).await.expect("an answer");
        assert_eq!((again.status, again.raw()), (answered.status, answered.raw()), "{request:?}");
        assert_eq!(again.header("idempotent-replayed"), Some("true"), "{request:?}");
        assert_eq!(changed(&after, &table.items().await), Vec::<&str>::new(), "{request:?}");
    }
    let kind = answered.body["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default();
    format!("{} {} {kind}", request.method, answered.status).trim().to_owned()
}

fn is_right(request: &Request, asked: &Asked, answered: &Answered) {
    assert!(answered.status < 500, "{request:?} {answered:#?}");
    let is_problem = answered.status >= 400;
    let form = if is_problem { "application/problem+json" } else { "application/json" };
    assert_eq!(answered.header("content-type"), Some(form), "{request:?}");
    if request.method == "HEAD" {
        assert_eq!(answered.raw(), "", "{request:?}");
        return;
    }
    if let Err(wrong) = against_the_document(asked, answered) {
        panic!("{wrong}\n{request:?} {answered:#?}");
    }
    if is_problem {
        let mut body = answered.body.clone();
        assert_eq!(body["status"], answered.status, "{request:?}");
        body.as_object_mut().expect("a problem").remove("rule");
        let length = body.to_string().len();
        assert!(length <= LONGEST_PROBLEM, "{length} bytes: {request:?}");
    }
}

/// The kinds of items that are there, are not there any more, or are others.
fn changed<'a>(before: &'a [Value], after: &'a [Value]) -> Vec<&'static str> {
    let only_in = |these: &'a [Value], those: &'a [Value]| these.iter().filter(|item| !those.contains(item));
    only_in(before, after).chain(only_in(after, before)).map(kind).collect()
}

/// All that was stored can be read, by the API and by functions.
async fn is_readable(table: &Table) {
    let api = &table.api;
    let items = table.items().await;
    for item in &items {
        assert_ne!(kind(item), "unknown", "{item}");
    }
    let inventory = table.world.store.inventory().await.expect("an inventory");
    assert!(inventory.left_out.is_empty(), "{:?}", inventory.left_out);
    for rule in inventory.rules.iter().filter(|rule| !rule.id.is_of_versus()) {
        let shown = Asked::get(&format!("/rules/{}", rule.id), "").try_of(api).await.expect("an answer");
        let shown = shown.with(200);
        assert_eq!(shown["revision"], rule.revision);
        rule.validate().expect("a rule that was stored");
    }
    let all = Asked::get("/versus", "").try_of(api).await.expect("an answer").with(200);
    assert!(all.get("left_out").is_none(), "{all}");
}

/// One request as it is written.
#[derive(Debug, Clone, PartialEq)]
struct Request {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    fn asked(&self) -> Asked {
        let mut asked = Asked::new(&self.method, &self.path).query(&self.query);
        for (name, value) in &self.headers {
            asked = asked.header(name, value);
        }
        if self.body.is_empty() { asked } else { asked.bytes(&self.body) }
    }
}

/// The requests of a file, those that HTTP can carry.
fn requests(bytes: &[u8]) -> Vec<Request> {
    let mut requests = Vec::new();
    let mut lines: Vec<&[u8]> = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').chain([b"###".as_slice()]) {
        if line.starts_with(b"###") {
            requests.extend(request(&lines));
            lines.clear();
        } else {
            lines.push(line);
        }
    }
    requests
}

fn request(lines: &[&[u8]]) -> Option<Request> {
    let is_blank = |line: &&[u8]| line.iter().all(u8::is_ascii_whitespace);
    let first = lines.iter().position(|line| !is_blank(line))?;
    let (head, rest) = lines[first..].split_first()?;
    let head = String::from_utf8_lossy(head);
    let (method, target) = head.trim_end().split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let end = rest.iter().position(is_blank).unwrap_or(rest.len());
    let headers = rest[..end].iter().filter_map(|line| {
        let line = String::from_utf8_lossy(line);
        let (name, value) = line.split_once(':')?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        (is_token(&name) && !value.chars().any(|c| c.is_control() && c != '\t')).then_some((name, value))
    });
    let body = rest.get(end + 1..).unwrap_or_default().join(&b'\n');
    let body = body.strip_suffix(b"\n").map(<[u8]>::to_vec).unwrap_or(body);
    (is_token(method) && path.starts_with('/')).then(|| Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers: headers.collect(),
        body,
    })
}

/// Names of methods and headers (RFC 9110, section 5.6.2).
fn is_token(name: &str) -> bool {
    let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_of_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_requests() {
        let file = b"GET /rules?source=a\n###\n\nPOST /rules\nContent-Type: application/json\nno header\n\n{\"id\":\n1}\n###\nno request\n";
        let [get, post] = requests(file).try_into().expect("two requests");
        assert_eq!(
            (get.path.as_str(), get.query.as_str(), get.body.as_slice()),
            ("/rules", "source=a", &b""[..])
        );
        assert_eq!((post.header("content-type"), post.headers.len()), (Some("application/json"), 1));
        assert_eq!(post.body, b"{\"id\":\n1}");
    }
}
