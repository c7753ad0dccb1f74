//! The kinds of problems: the last part of their `type`, their title and their status.

/// What kind of problem it is. Programs tell problems apart by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// There is no such path.
    UnknownPath,
    /// The path does not know the method.
    MethodNotAllowed,
    /// The query has a parameter that there is not.
    UnknownParameter,
    /// The query lacks a parameter.
    MissingParameter,
    /// A parameter, or what stands in the path for one, has a value that is not allowed.
    InvalidParameter,
    /// A header has a value that is not allowed.
    InvalidHeader,
    /// The body is of another type than JSON.
    UnsupportedMediaType,
    /// The body is too large.
    BodyTooLarge,
    /// The body is not JSON.
    InvalidJson,
    /// The body has a field that there is not.
    UnknownField,
    /// The body lacks a field.
    MissingField,
    /// A field of the body has a value that is not allowed.
    InvalidField,
    /// There is no such rule.
    UnknownRule,
    /// There is a rule of that id.
    RuleExists,
    /// The rule says something against another one.
    RulesContradict,
    /// `If-Match` is missing.
    PreconditionRequired,
    /// The revision is not the one that `If-Match` names.
    RevisionMoved,
    /// There is no such session.
    UnknownVersus,
    /// There is another session of that id.
    VersusExists,
    /// The session is over.
    VersusOver,
    /// The key belongs to another request.
    KeyReused,
    /// A request of the same key is being carried out.
    RequestInProgress,
    /// Others kept changing the same thing.
    Contended,
    /// The answer is larger than an answer can be.
    AnswerTooLarge,
    /// The table does not answer at the moment.
    TableUnavailable,
    /// The table refuses the function.
    TableRefused,
    /// An item that everything depends on is not as it must be.
    ItemUnreadable,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 27] = [
        Self::UnknownPath,
        Self::MethodNotAllowed,
        Self::UnknownParameter,
        Self::MissingParameter,
        Self::InvalidParameter,
        Self::InvalidHeader,
        Self::UnsupportedMediaType,
        Self::BodyTooLarge,
        Self::InvalidJson,
        Self::UnknownField,
        Self::MissingField,
        Self::InvalidField,
        Self::UnknownRule,
        Self::RuleExists,
        Self::RulesContradict,
        Self::PreconditionRequired,
        Self::RevisionMoved,
        Self::UnknownVersus,
        Self::VersusExists,
        Self::VersusOver,
        Self::KeyReused,
        Self::RequestInProgress,
        Self::Contended,
        Self::AnswerTooLarge,
        Self::TableUnavailable,
        Self::TableRefused,
        Self::ItemUnreadable,
    ];

    /// The `type` of a problem of this kind.
    pub fn urn(self) -> String {
        format!("urn:problem-type:stagelink:{}", self.name())
    }

    /// The last part of the `type`.
    pub fn name(self) -> &'static str {
        self.told().0
    }

    /// The status of the answer.
    pub fn status(self) -> u16 {
        self.told().1
    }

    /// The kind in a sentence.
    pub fn title(self) -> &'static str {
        self.told().2
    }

    /// Whether it is worth trying again after a moment.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::TableUnavailable | Self::Contended | Self::RequestInProgress)
    }

    fn told(self) -> (&'static str, u16, &'static str) {
        match self {
            Self::UnknownPath => ("unknown-path", 404, "There is no such path"),
            Self::MethodNotAllowed => ("method-not-allowed", 405, "The path does not know this method"),
            Self::UnknownParameter => ("unknown-parameter", 400, "The path does not know this parameter"),
            Self::MissingParameter => ("missing-parameter", 400, "A parameter is missing"),
            Self::InvalidParameter => {
                ("invalid-parameter", 400, "A parameter has a value that is not allowed")
            }
            Self::InvalidHeader => ("invalid-header", 400, "A header has a value that is not allowed"),
            Self::UnsupportedMediaType => ("unsupported-media-type", 415, "The body has to be JSON"),
            Self::BodyTooLarge => ("body-too-large", 413, "The body is too large"),
            Self::InvalidJson => ("invalid-json", 400, "The body is not JSON"),
            Self::UnknownField => ("unknown-field", 400, "The body has a field that there is not"),
            Self::MissingField => ("missing-field", 400, "The body lacks a field"),
            Self::InvalidField => ("invalid-field", 400, "A field has a value that is not allowed"),
            Self::UnknownRule => ("unknown-rule", 404, "There is no such rule"),
            Self::RuleExists => ("rule-exists", 409, "There is a rule of this id"),
            Self::RulesContradict => ("rules-contradict", 409, "Two rules contradict each other"),
            Self::PreconditionRequired => ("precondition-required", 428, "The header If-Match is missing"),
            Self::RevisionMoved => ("revision-moved", 409, "Somebody else changed it meanwhile"),
            Self::UnknownVersus => ("unknown-versus", 404, "There is no such versus session"),
            Self::VersusExists => ("versus-exists", 409, "There is another versus session of this id"),
            Self::VersusOver => ("versus-over", 409, "The versus session is over"),
            Self::KeyReused => ("key-reused", 422, "The key belongs to another request"),
            Self::RequestInProgress => {
                ("request-in-progress", 409, "A request of the same key is being carried out")
            }
            Self::Contended => ("contended", 503, "Others keep changing it"),
            Self::AnswerTooLarge => ("answer-too-large", 500, "The answer is too large"),
            Self::TableUnavailable => ("table-unavailable", 503, "The table does not answer at the moment"),
            Self::TableRefused => ("table-refused", 500, "The table refuses the function"),
            Self::ItemUnreadable => ("item-unreadable", 500, "An item cannot be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_its_own_name_and_an_error_status() {
        let names: BTreeSet<_> = Kind::ALL.map(Kind::name).into_iter().collect();
        assert_eq!(names.len(), Kind::ALL.len());
        assert!(Kind::ALL.into_iter().all(|kind| (400..600).contains(&kind.status())));
    }

    /// The table at the head of the module is what people read.
    #[test]
    fn every_kind_is_in_the_table_of_the_module() {
        let head = include_str!("../problem.rs");
        for kind in Kind::ALL {
            let row = format!("//! | `{}` | {} | ", kind.name(), kind.status());
            assert!(head.contains(&row), "{row}");
        }
        assert_eq!(head.matches("\n//! | `").count(), Kind::ALL.len() + 1, "and nothing else, but its head");
    }
}
