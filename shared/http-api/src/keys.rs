//! Requests that may come again: the header `Idempotency-Key`.
//!
//! A client that had no answer does not know whether its POST was carried out. It sends it again, with the key that it made up
//! for it, and gets the answer that it missed. The header is optional, because each POST is safe to repeat in a way of its own (a
//! rule's id is taken, a session on the same terms is the session, an end is an end); the key adds that the answer is the first one.
//!
//! # Guarantees
//! * The answer is kept in the transaction that makes the change: there is no moment at which one is there without the other.
//! * Whoever asks under a key that is kept gets that answer for 24 h, with `Idempotent-Replayed: true`; another request under it
//!   gets a problem. Keys of different callers have nothing to do with each other.
//! * A request that was refused changed nothing, and is not kept: it is judged anew.

use aws_adapters::{DynamoStore, KeptAnswer};
use controller::StoreError;
use jiff::Timestamp;
use lambda_http::http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::answer::Answer;
use crate::problem::Problem;

/// The header.
pub(crate) const HEADER: &str = "Idempotency-Key";

/// What it may hold.
const ALLOWED: &str = "1-255 visible ASCII characters, in quotes or without any";

/// A client's key for one request.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// As the client wrote it.
    text: String,
    /// Whose key it is, and which: what it is kept under.
    id: String,
    /// What tells the request from another one.
    request: String,
}

impl Key {
    /// The key of a request, if it has one: a string of RFC 8941, as the draft of the header has it, or the same without quotes,
    /// as most clients send it. `parts` are what makes the request the same.
    pub(crate) fn read(headers: &HeaderMap, caller: &str, parts: &[&[u8]]) -> Result<Option<Self>, Problem> {
        let mut values = headers.get_all(HEADER).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let shown = String::from_utf8_lossy(value.as_bytes());
        let invalid = || Problem::invalid_header(HEADER, &shown, ALLOWED);
        if values.next().is_some() {
            return Err(Problem::invalid_header(HEADER, "(a second time)", "the header once"));
        }
        let text = value.to_str().ok().and_then(unquoted).ok_or_else(invalid)?;
        let id = digest(&[principal(caller).as_bytes(), text.as_bytes()]);
        Ok(Some(Self { id, request: digest(parts), text }))
    }

    /// The answer that was given under this key, if there is one.
    pub(crate) async fn kept(&self, store: &DynamoStore, now: Timestamp) -> Result<Option<Answer>, Problem> {
        match store.kept_answer(&self.id, now).await? {
            None => Ok(None),
            Some(kept) if kept.request == self.request => Ok(Some(kept.into())),
            Some(_) => Err(Problem::key_reused(&self.text)),
        }
    }

    /// The table, where whatever is changed takes this answer along.
    pub(crate) fn keeping(
        &self,
        store: &DynamoStore,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<DynamoStore, StoreError> {
        store.keeping(&self.keep(answer, now))
    }

    /// Keeps an answer to a request that changed nothing.
    pub(crate) async fn keep_alone(
        &self,
        store: &DynamoStore,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        store.keep_answer(&self.keep(answer, now)).await
    }

    /// That another request under this key is between its change and its end.
    pub(crate) fn in_progress(&self) -> Problem {
        Problem::in_progress(&self.text)
    }

    fn keep(&self, answer: &Answer, at: Timestamp) -> KeptAnswer {
        let Answer { status, headers, body } = answer.clone();
        KeptAnswer { key: self.id.clone(), request: self.request.clone(), status, headers, body, at }
    }
}

/// What stands in the quotes of a string of RFC 8941, or a word without any.
fn unquoted(value: &str) -> Option<String> {
    let value = value.trim();
    let text = match value.strip_prefix('"') {
        Some(rest) => {
            let mut text = String::new();
            let mut characters = rest.strip_suffix('"')?.chars();
            while let Some(character) = characters.next() {
                text.push(match character {
                    '\\' => characters.next().filter(|escaped| ['"', '\\'].contains(escaped))?,
                    '"' => return None,
                    other => other,
                });
            }
            text
        }
        None if value.contains(['"', ',', ';', ' ']) => return None,
        None => value.to_owned(),
    };
    let visible = text.chars().all(|character| character == ' ' || character.is_ascii_graphic());
    ((1..=255).contains(&text.len()) && visible).then_some(text)
}

/// Who a caller is, whatever the session: a client that repeats a request may have got another one meanwhile.
fn principal(arn: &str) -> &str {
    match arn.split_once(":assumed-role/").and_then(|(_, role)| role.rsplit_once('/')) {
        Some((_, session)) => &arn[..arn.len() - session.len()],
        None => arn,
    }
}

/// A digest of all parts, which tells where one ends and the next begins.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(caller: &str, value: &str, parts: &[&[u8]]) -> Result<Option<Key>, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", value.parse().unwrap());
        Key::read(&headers, caller, parts)
    }

    fn id(caller: &str, value: &str) -> String {
        key(caller, value, &[]).unwrap().unwrap().id
    }

    #[test]
    fn a_key_may_stand_in_quotes() {
        let plain = id("a", "8e03978e-40d5-43e8-bc93-6894a57f9324");
        assert_eq!(plain, id("a", "\"8e03978e-40d5-43e8-bc93-6894a57f9324\""));
        assert_eq!(unquoted(r#""a \"b\" \\ c""#).as_deref(), Some(r#"a "b" \ c"#));
        assert!(unquoted(&"k".repeat(255)).is_some());
        for wrong in
            ["", "\"\"", "\"", "\"a", "a b", "a,b", "\"a\"b\"", "\"a\\b\"", "\"a\";p=1", &"k".repeat(256)]
        {
            assert!(key("a", wrong, &[]).is_err(), "{wrong}");
        }
        let mut headers = HeaderMap::new();
        assert!(Key::read(&headers, "a", &[]).unwrap().is_none());
        headers.append("idempotency-key", "a".parse().unwrap());
        headers.append("idempotency-key", "b".parse().unwrap());
        assert!(Key::read(&headers, "a", &[]).is_err());
    }

    #[test]
    fn a_key_is_its_callers_in_whatever_session() {
        let role = "arn:aws:sts::123456789012:assumed-role/backend";
        assert_eq!(id(&format!("{role}/i-1"), "k"), id(&format!("{role}/i-2"), "k"));
        assert_ne!(id(&format!("{role}/i-1"), "k"), id(&format!("{role}s/i-1"), "k"));
        assert_ne!(id("arn:aws:iam::123456789012:user/a", "k"), id("arn:aws:iam::123456789012:user/b", "k"));
        assert_ne!(id("a", "bc"), id("ab", "c"), "where one part ends, and the next begins");
    }

    #[test]
    fn a_request_is_the_same_if_all_of_it_is() {
        let request = |parts: &[&[u8]]| key("a", "k", parts).unwrap().unwrap().request;
        assert_eq!(request(&[b"POST", b"/rules"]), request(&[b"POST", b"/rules"]));
        assert_ne!(request(&[b"POST", b"/rules"]), request(&[b"POST/", b"rules"]));
    }
}
