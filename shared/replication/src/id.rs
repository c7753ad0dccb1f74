//! Identifiers, parsed once at the edge and trusted afterwards.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::cut;

/// A value that is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} is not valid: allowed is {allowed}")]
pub struct IdError {
    /// Which identifier was expected, for example `stage ARN`.
    pub what: &'static str,
    /// The value as it was given, cut to 200 characters.
    pub value: String,
    /// What would have been accepted.
    pub allowed: &'static str,
}

/// Declares a validated string newtype. Its text is shared, for a plan names the same stages and rules many times.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(value: String) -> Result<Self, IdError> {
                let check: fn(&str) -> bool = $check;
                if check(&value) {
                    return Ok(Self(value.into()));
                }
                Err(IdError { what: $what, value: cut(&value).to_owned(), allowed: $allowed })
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(value: &str) -> Result<Self, IdError> {
                Self::try_from(value.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// The ARN of a stage (IVS API reference, `StageArn`).
    StageArn,
    "stage ARN",
    "1-128 characters of the form arn:aws:ivs:<region>:<account>:stage/<id>",
    |v| is_arn(v, "stage/")
);

identifier!(
    /// The id of a participant: fixed by its token, the same on the source stage and on every destination stage.
    ///
    /// 1–64 characters of `[a-zA-Z0-9-_]`. The service model allows the empty string; here it never names anybody.
    ParticipantId,
    "participant id",
    "1-64 letters, digits, '-' or '_'",
    |v| matches!(v.len(), 1..=64) && v.bytes().all(is_word)
);

identifier!(
    /// The id of a stage session.
    ///
    /// The model says exactly 16 characters `st-…`, the documentation's own events break that; so any 1–64 printable
    /// ASCII characters are accepted.
    SessionId,
    "stage session id",
    "1-64 printable ASCII characters without spaces",
    |v| matches!(v.len(), 1..=64) && v.bytes().all(|b| b.is_ascii_graphic())
);

identifier!(
    /// The id of a replication rule, chosen by the customer.
    RuleId,
    "rule id",
    "1-64 letters, digits, '-', '_' or '.'",
    |v| matches!(v.len(), 1..=64) && v.bytes().all(|b| is_word(b) || b == b'.')
);

identifier!(
    /// The ARN of a storage configuration, by which participants are recorded (IVS API reference, `StorageConfigurationArn`).
    StorageArn,
    "storage configuration ARN",
    "1-128 characters of the form arn:aws:ivs:<region>:<account>:storage-configuration/<id>",
    |v| is_arn(v, "storage-configuration/")
);

impl StageArn {
    /// The Region it is in. IVS replicates within one Region.
    pub fn region(&self) -> &str {
        self.0.split(':').nth(3).unwrap_or_default()
    }

    /// The last part of the ARN: what follows `stage/`.
    pub fn resource_id(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

identifier!(
    /// The id of a versus session, chosen by the customer. Short enough for the ids of its rules.
    VersusId,
    "versus session id",
    "1-48 letters, digits, '-' or '_'",
    |v| matches!(v.len(), 1..=48) && v.bytes().all(is_word)
);

/// How the ids of the rules of versus sessions begin.
const OF_VERSUS: &str = "versus.";

impl VersusId {
    /// The id of the session's rule for its stage number `place`, from 1.
    pub fn rule(&self, place: usize) -> RuleId {
        RuleId(format!("{OF_VERSUS}{self}.{place}").into())
    }
}

impl RuleId {
    /// Whether it belongs to a versus session, which alone makes and removes such rules.
    pub fn is_of_versus(&self) -> bool {
        self.0.starts_with(OF_VERSUS)
    }
}

/// Somebody who publishes to a stage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublisherKey {
    /// The source stage.
    pub stage: StageArn,
    /// The replicated participant.
    pub participant: ParticipantId,
}

impl fmt::Display for PublisherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.stage, self.participant)
    }
}

/// One direction of one replication. This natural key is its identity: IVS gives replications no id of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicationKey {
    /// The stage the participant publishes to.
    pub source: StageArn,
    /// The replicated participant.
    pub participant: ParticipantId,
    /// The stage the replica participant appears on.
    pub destination: StageArn,
}

impl ReplicationKey {
    /// The publisher this replication belongs to.
    pub fn publisher(&self) -> PublisherKey {
        PublisherKey { stage: self.source.clone(), participant: self.participant.clone() }
    }
}

impl fmt::Display for ReplicationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.source, self.participant, self.destination)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// `arn:aws:ivs:[a-z0-9-]+:[0-9]+:<kind>[a-zA-Z0-9-]+`, 1–128 characters; `kind` is such as `stage/`.
fn is_arn(value: &str, kind: &str) -> bool {
    let filled = |text: &str, allowed: fn(u8) -> bool| !text.is_empty() && text.bytes().all(allowed);
    let parts: Vec<&str> = value.splitn(6, ':').collect();
    let &[arn, partition, service, region, account, resource] = parts.as_slice() else { return false };
    value.len() <= 128
        && (arn, partition, service) == ("arn", "aws", "ivs")
        && filled(region, |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && filled(account, |b| b.is_ascii_digit())
        && resource
            .strip_prefix(kind)
            .is_some_and(|id| filled(id, |b| b.is_ascii_alphanumeric() || b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_arns_are_checked_against_the_model() {
        assert!("arn:aws:ivs:us-west-2:123456789012:stage/AbCdef1G2hij".parse::<StageArn>().is_ok());
        for wrong in [
            "",
            "arn:aws:ivs:us-west-2:123456789012:channel/AbCdef1G2hij",
            "arn:aws:ivs:us-west-2:12345678901x:stage/AbCdef1G2hij",
            "arn:aws-cn:ivs:us-west-2:123456789012:stage/AbCdef1G2hij",
            "arn:aws:ivs:us-west-2:123456789012:stage/",
            "arn:aws:ivs:us-west-2:123456789012:stage/a b",
            &format!("arn:aws:ivs:us-west-2:123456789012:stage/{}", "a".repeat(128)),
        ] {
            assert!(wrong.parse::<StageArn>().is_err(), "{wrong}");
        }
    }

    /// Keys of items are put together of these, with `#` between them; `*` stands for none or any.
    #[test]
    fn no_identifier_holds_what_separates_the_parts_of_a_key() {
        for c in (0..0x3000).filter_map(char::from_u32) {
            let within = format!("a{c}b");
            let accepted = [
                within.parse::<ParticipantId>().is_ok(),
                within.parse::<RuleId>().is_ok(),
                within.parse::<VersusId>().is_ok(),
                format!("arn:aws:ivs:us-east-1:123456789012:stage/{within}").parse::<StageArn>().is_ok(),
                format!("arn:aws:ivs:us{within}:123456789012:stage/A").parse::<StageArn>().is_ok(),
                format!("arn:aws:ivs:us-east-1:{c}:stage/A").parse::<StageArn>().is_ok(),
            ];
            let harmless = c.is_ascii_alphanumeric() || "-_.".contains(c);
            assert!(harmless || accepted == [false; 6], "{c:?}: {accepted:?}");
        }
    }

    #[test]
    fn an_error_names_the_identifier_the_value_and_what_is_allowed() {
        let error = "a b".parse::<ParticipantId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "participant id \"a b\" is not valid: allowed is 1-64 letters, digits, '-' or '_'"
        );
    }

    #[test]
    fn the_rules_of_the_longest_versus_session_have_ids() {
        let versus: VersusId = "v".repeat(48).parse().unwrap();
        let rule = versus.rule(6);
        assert_eq!(rule.as_str().parse::<RuleId>(), Ok(rule.clone()));
        assert!(rule.is_of_versus());
        assert!(!"versus".parse::<RuleId>().unwrap().is_of_versus());
        assert!("v.1".parse::<VersusId>().is_err() && "v".repeat(49).parse::<VersusId>().is_err());
    }

    #[test]
    fn session_ids_of_the_documentation_are_accepted() {
        for id in ["st-ZyXwvu1T2s", "aBC1c2d3e4f", "st-1CVugbu2cf2n8"] {
            assert!(id.parse::<SessionId>().is_ok(), "{id}");
        }
    }
}
