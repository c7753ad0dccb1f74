//! The query of a request: parameters that are known, each at most once, parsed when they are asked for.

use std::collections::BTreeMap;
use std::str::FromStr;

use aws_adapters::{Cursor, Window};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use replication::{IdError, StageArn};

use crate::problem::Problem;

/// Items of a page if nothing else is said.
pub(crate) const DEFAULT_LIMIT: usize = 50;

/// Items of a page at most.
pub(crate) const MAX_LIMIT: usize = 100;

/// The longest token of a page, in characters. What it stands for becomes part of a key, of which DynamoDB takes 1 KB.
const MAX_TOKEN: usize = 1_024;

/// The parameters of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Query(BTreeMap<String, String>);

/// Which part of a list is asked for.
#[derive(Debug)]
pub(crate) struct Paging {
    limit: usize,
    after: Option<Cursor>,
}

impl Paging {
    pub(crate) fn window(&self) -> Window<'_> {
        Window { limit: self.limit, after: self.after.as_ref() }
    }
}

impl Query {
    /// Reads the part of a URL after `?`.
    pub(crate) fn read(query: &str, allowed: Vec<&'static str>) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name, true).unwrap_or_else(|| name.to_owned());
            if !allowed.contains(&name.as_str()) {
                return Err(Problem::unknown_parameter(&name, &allowed));
            }
            let invalid = |allowed: &str| Problem::invalid_parameter(&name, value, allowed);
            let text = decoded(value, true).ok_or_else(|| invalid("percent-encoded UTF-8"))?;
            if parameters.insert(name.clone(), text).is_some() {
                return Err(invalid("each parameter once"));
            }
        }
        Ok(Self(parameters))
    }

    /// The stage that a parameter names, if it is given.
    pub(crate) fn stage(&self, name: &str) -> Result<Option<StageArn>, Problem> {
        self.id(name)
    }

    /// The stage that a parameter has to name.
    pub(crate) fn needed_stage(&self, name: &str, allowed: &str) -> Result<StageArn, Problem> {
        self.stage(name)?.ok_or_else(|| Problem::missing_parameter(&[name], allowed))
    }

    /// What a parameter names, if it is given.
    pub(crate) fn id<T: FromStr<Err = IdError>>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.0.get(name) else { return Ok(None) };
        let id = text.parse().map_err(|error: IdError| Problem::invalid_parameter(name, text, error.allowed));
        id.map(Some)
    }

    /// The time that a parameter gives, if it is given.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.0.get(name) else { return Ok(None) };
        // A plus sign that nobody encoded has become a space, and times have no other.
        let time = text.replace(' ', "+").parse();
        let allowed = "an RFC 3339 time with zone, such as 2026-12-01T20:00:00Z";
        time.map(Some).map_err(|_| Problem::invalid_parameter(name, text, allowed))
    }

    /// The text that a parameter gives, if it is given.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The word that a parameter gives, if it is given.
    pub(crate) fn one_of(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, Problem> {
        let Some(text) = self.0.get(name) else { return Ok(None) };
        let word = words.iter().find(|word| *word == text);
        word.copied().map(Some).ok_or_else(|| Problem::invalid_parameter(name, text, &words.join(", ")))
    }

    /// Which part of the list is asked for.
    pub(crate) fn paging(&self) -> Result<Paging, Problem> {
        let limit = self.limit()?;
        let after = match self.0.get("next") {
            None => None,
            Some(text) => Some(cursor(text).ok_or_else(Problem::next)?),
        };
        Ok(Paging { limit, after })
    }

    /// How many items a page may have.
    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        match self.0.get("limit") {
            None => Ok(DEFAULT_LIMIT),
            Some(text) => {
                let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                let allowed = format!("a whole number, 1-{MAX_LIMIT}");
                limit.ok_or_else(|| Problem::invalid_parameter("limit", text, &allowed))
            }
        }
    }
}

/// The token for the page after this place in a list.
pub(crate) fn token(place: &impl ToString) -> String {
    URL_SAFE_NO_PAD.encode(place.to_string())
}

/// The place in a list that a token stands for. No place is as long as what is refused here.
pub(crate) fn cursor<T: FromStr>(token: &str) -> Option<T> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    T::from_str(&text).ok()
}

/// Text with its percent-encoding undone; nothing if that is not UTF-8, or if a percent sign encodes nothing. In a query a plus
/// sign is a space, as in forms.
pub(crate) fn decoded(text: &str, in_query: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        bytes.push(match first {
            b'+' if in_query => b' ',
            b'%' => {
                let digits = std::str::from_utf8(after.get(..2)?).ok()?;
                let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                rest = &after[2..];
                u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?
            }
            other => *other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Query, Problem> {
        Query::read(query, vec!["source", "limit", "next"])
    }

    #[test]
    fn values_are_decoded() {
        let arn = "arn:aws:ivs:us-east-1:123456789012:stage/A";
        for query in [
            format!("source={arn}"),
            "source=arn%3Aaws%3Aivs%3Aus-east-1%3A123456789012%3Astage%2FA&&".to_owned(),
        ] {
            assert_eq!(read(&query).unwrap().stage("source").unwrap().unwrap().as_str(), arn);
        }
        assert_eq!(decoded("a+b%20%C3%BC", true).as_deref(), Some("a b ü"));
        assert_eq!(decoded("a+b", false).as_deref(), Some("a+b"), "in a path");
        for wrong in ["%", "%2", "%+1", "%zz", "%ff"] {
            assert_eq!(decoded(wrong, true), None, "{wrong}");
        }
    }

    #[test]
    fn limits_are_bounded() {
        let limit = |query: &str| read(query).unwrap().paging().map(|paging| paging.limit);
        assert_eq!(limit("").unwrap(), 50);
        assert_eq!(limit("limit=1").unwrap(), 1);
        assert_eq!(limit("limit=100").unwrap(), 100);
        for wrong in ["limit=0", "limit=101", "limit=", "limit", "limit=-1", "limit=ten"] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_gives_its_cursor_back() {
        let end: Cursor = "STAGE#a REP#p#b Active".parse().unwrap();
        assert_eq!(cursor(&token(&end)), Some(end));
        let of_nothing = URL_SAFE_NO_PAD.encode("  Active");
        let endless = URL_SAFE_NO_PAD.encode(format!("STAGE#a REP#{} Active", "p".repeat(600)));
        let longer = URL_SAFE_NO_PAD.encode(format!("STAGE#a REP#{} Active", "p".repeat(1_200)));
        for wrong in ["", "x", "YQ", "=", "YSBi", &of_nothing, &endless, &longer] {
            assert_eq!(cursor::<Cursor>(wrong), None, "{wrong}");
        }
    }
}
