//! Replay: EventBridge envelopes from files go the way of every other event, and what each caused is told.

use std::{
    fmt::{self, Write},
    io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    control::PutEvent,
    delivery::{Attempt, Delivery, Status},
    event_bus,
};

/// One envelope and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The file.
    pub file: PathBuf,
    /// Its place in the file, from 1.
    pub number: usize,
    /// The envelope.
    pub envelope: Value,
}

/// What one envelope caused.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The envelope's `id`.
    pub id: String,
    /// `detail.event_name`.
    pub event_name: Option<String>,
    /// One for each rule that matched.
    pub deliveries: Vec<Delivery>,
}

/// Why envelopes could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file cannot be read.
    #[error("cannot read {}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A file is neither one JSON document nor JSON lines.
    #[error("{}: envelope {number} is not JSON", .file.display())]
    Json {
        /// The file.
        file: PathBuf,
        /// Which envelope, from 1.
        number: usize,
        /// The cause, with the line.
        #[source]
        source: serde_json::Error,
    },
    /// The stand does not answer.
    #[error("the stand at {control} does not answer as a stand does")]
    Control {
        /// The control endpoint.
        control: String,
        /// The cause.
        #[source]
        source: reqwest::Error,
    },
    /// An envelope is not valid.
    #[error("{}, envelope {number}: {message}", .file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// Which envelope, from 1.
        number: usize,
        /// Field, value and what is allowed.
        message: String,
    },
}

/// Reads the envelopes of a file: one JSON document, a list of envelopes, or one envelope per line.
///
/// # Errors
/// When the file cannot be read, is not JSON, or has something in it that is not an envelope.
pub fn read(file: &Path) -> Result<Vec<Recorded>, ReplayError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| ReplayError::Read { file: file.to_owned(), source })?;
    let recorded = parse(file, &text)?;
    for Recorded { number, envelope, .. } in &recorded {
        event_bus::validate(envelope).map_err(|invalid| ReplayError::Refused {
            file: file.to_owned(),
            number: *number,
            message: invalid.to_string(),
        })?;
    }
    Ok(recorded)
}

fn parse(file: &Path, text: &str) -> Result<Vec<Recorded>, ReplayError> {
    let mut recorded = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let number = recorded.len() + 1;
        let document =
            document.map_err(|source| ReplayError::Json { file: file.to_owned(), number, source })?;
        let envelopes = match document {
            Value::Array(envelopes) => envelopes,
            envelope => vec![envelope],
        };
        let numbered = envelopes.into_iter().zip(number..);
        recorded.extend(numbered.map(|(envelope, number)| Recorded {
            file: file.to_owned(),
            number,
            envelope,
        }));
    }
    Ok(recorded)
}

/// Puts an envelope on the bus of a running stand, and waits until every delivery has come to an end.
///
/// # Errors
/// When the stand does not answer, or refuses the envelope.
pub async fn put(
    client: &reqwest::Client,
    control: &str,
    recorded: &Recorded,
) -> Result<Replayed, ReplayError> {
    let control = control.trim_end_matches('/');
    let failed = |source| ReplayError::Control { control: control.to_owned(), source };
    let request = client.post(format!("{control}/events?wait=true")).json(&recorded.envelope);
    let response = request.send().await.map_err(failed)?;
    if response.status() == reqwest::StatusCode::BAD_REQUEST {
        let body: Value = response.json().await.map_err(failed)?;
        let message = body["message"].as_str().unwrap_or("refused").to_owned();
        return Err(ReplayError::Refused { file: recorded.file.clone(), number: recorded.number, message });
    }
    let answer: PutEvent = response.error_for_status().map_err(failed)?.json().await.map_err(failed)?;
    Ok(Replayed {
        id: answer.id,
        event_name: recorded.envelope["detail"]["event_name"].as_str().map(str::to_owned),
        deliveries: answer.deliveries.unwrap_or_default(),
    })
}

impl Replayed {
    /// How many deliveries became dead letters.
    pub fn dead_letters(&self) -> usize {
        self.deliveries.iter().filter(|delivery| delivery.status == Status::DeadLetter).count()
    }
}

/// A line for the envelope, and one for each attempt that it caused.
impl fmt::Display for Replayed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.event_name.as_deref().unwrap_or("(no event_name)");
        write!(formatter, "{name}  {}", self.id)?;
        if self.deliveries.is_empty() {
            formatter.write_str("\n    no rule matches")?;
        }
        for delivery in &self.deliveries {
            for (index, attempt) in delivery.attempts.iter().enumerate() {
                formatter.write_str("\n    ")?;
                write!(formatter, "{}  attempt {}", delivery.function, index + 1)?;
                write!(formatter, "  {:>5} ms  {}", attempt.ms, outcome(attempt))?;
            }
            if delivery.status == Status::DeadLetter {
                write!(formatter, "\n    {}  dead letter", delivery.function)?;
            }
        }
        Ok(())
    }
}

fn outcome(attempt: &Attempt) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match (&attempt.error, &attempt.answer) {
        (Some(failure), _) => write!(text, "error {failure}"),
        (None, Some(answer)) => write!(text, "answer {answer}"),
        (None, None) => write!(text, "answer null"),
    };
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::delivery::{Failure, Source};

    fn envelopes(text: &str) -> Vec<(usize, Value)> {
        let recorded = parse(Path::new("events.jsonl"), text).unwrap();
        recorded.into_iter().map(|recorded| (recorded.number, recorded.envelope)).collect()
    }

    #[test]
    fn a_file_has_one_envelope_a_list_or_one_per_line() {
        let (a, b) = (json!({ "id": "a" }), json!({ "id": "b" }));
        let both = vec![(1, a.clone()), (2, b.clone())];
        assert_eq!(envelopes("{\n  \"id\": \"a\"\n}\n"), [(1, a)]);
        assert_eq!(envelopes("{\"id\":\"a\"}\n\n{\"id\":\"b\"}\n"), both);
        assert_eq!(envelopes("[{\"id\":\"a\"},\n{\"id\":\"b\"}]"), both);
        assert_eq!(envelopes("\n"), []);
    }

    #[test]
    fn what_is_not_json_is_named_with_its_place() {
        let error = parse(Path::new("events.jsonl"), "{\"id\":\"a\"}\nnonsense\n").unwrap_err();
        assert_eq!(error.to_string(), "events.jsonl: envelope 2 is not JSON");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("line 2"), "{source}");
    }

    #[test]
    fn what_is_not_an_envelope_is_found_before_anything_is_replayed() {
        let file = std::env::temp_dir().join(format!("stagelink-replay-{}.json", std::process::id()));
        std::fs::write(&file, "{\"id\": 5}").unwrap();
        let error = read(&file).unwrap_err().to_string();
        std::fs::remove_file(&file).unwrap();
        assert!(error.contains("envelope 1: field `id`: 5 is not valid"), "{error}");
    }

    fn delivery(errors: usize, status: Status) -> Delivery {
        let failure = Failure { error_type: "Throttled".to_owned(), error_message: "later".to_owned() };
        let attempt = |error: Option<Failure>| Attempt {
            at: "2026-01-01T00:00:00Z".to_owned(),
            ms: 7,
            answer: error.is_none().then(|| json!({ "decisions": 1 })),
            error,
        };
        let mut attempts = vec![attempt(Some(failure)); errors];
        attempts.extend((status == Status::Delivered).then(|| attempt(None)));
        Delivery {
            number: 1,
            event_id: "e".to_owned(),
            event_name: None,
            function: "participant-published".to_owned(),
            source: Source::Rule,
            trigger: "R".to_owned(),
            attempts,
            throttles: 0,
            status,
        }
    }

    fn told(deliveries: Vec<Delivery>) -> String {
        let event_name = Some("Participant Published".to_owned());
        Replayed { id: "e".to_owned(), event_name, deliveries }.to_string()
    }

    #[test]
    fn each_attempt_and_each_dead_letter_is_told() {
        assert_eq!(told(vec![]), "Participant Published  e\n    no rule matches");
        assert_eq!(
            told(vec![delivery(1, Status::Delivered)]),
            "Participant Published  e
    participant-published  attempt 1      7 ms  error Throttled: later
    participant-published  attempt 2      7 ms  answer {\"decisions\":1}"
        );
        assert!(told(vec![delivery(3, Status::DeadLetter)]).ends_with("participant-published  dead letter"));
    }
}
