//! Commands that put something right, as they have to be typed for this deployment.

use aws_adapters::Stack;

use crate::{Deployment, Place};

/// Says commands.
#[derive(Debug, Clone)]
pub(crate) struct Remedies {
    place: Place,
    stack: String,
    /// Where AWS's services are, if that is not AWS.
    endpoint: Option<String>,
    /// The same for DynamoDB.
    dynamodb_endpoint: Option<String>,
}

impl Remedies {
    pub(crate) fn new(deployment: &Deployment, stack: &Stack) -> Self {
        let connection = &deployment.connection;
        Self {
            place: deployment.place.clone(),
            stack: stack.name().to_owned(),
            endpoint: connection.aws_endpoint().map(str::to_owned),
            dynamodb_endpoint: connection.dynamodb_endpoint().map(str::to_owned),
        }
    }

    /// The name of the table.
    pub(crate) fn table(&self) -> &str {
        &self.place.table
    }

    /// The full name of a function.
    pub(crate) fn function(&self, function: &str) -> String {
        format!("{}-{function}", self.stack)
    }

    /// A command of the AWS CLI, such as `events enable-rule --name x`.
    pub(crate) fn aws(&self, command: impl std::fmt::Display) -> String {
        let mut text = format!("aws {command}");
        if let Some(region) = &self.place.region {
            text += &format!(" --region {region}");
        }
        if let Some(profile) = &self.place.profile {
            text += &format!(" --profile {profile}");
        }
        if let Some(endpoint) = &self.endpoint {
            text += &format!(" --endpoint-url {endpoint}");
        }
        text
    }

    /// A command of the AWS CLI on DynamoDB, which the local stand has at an address of its own.
    pub(crate) fn dynamodb(&self, command: impl std::fmt::Display) -> String {
        let other = Self { endpoint: self.dynamodb_endpoint.clone(), ..self.clone() };
        other.aws(format_args!("dynamodb {command}"))
    }

    /// A command of this program, such as `resume`.
    pub(crate) fn stagelink(&self, command: &str) -> String {
        let Place { table, profile, local, .. } = &self.place;
        let mut text = format!("stagelink {command}");
        if *local {
            return text + " --local";
        }
        if table != Place::TABLE {
            text += &format!(" --table {table}");
        }
        if let Some(profile) = profile {
            text += &format!(" --profile {profile}");
        }
        text
    }

    /// The same, for one that is told the stack.
    pub(crate) fn stagelink_on_stack(&self, command: &str) -> String {
        let text = self.stagelink(command);
        if self.stack == "stagelink" { text } else { format!("{text} --stack {}", self.stack) }
    }

    /// Whether it is about the local stand.
    pub(crate) fn is_local(&self) -> bool {
        self.place.local
    }

    /// How a stack is put back to what its template says.
    pub(crate) fn redeploy(&self) -> &'static str {
        if self.place.local { "start the stand again with `cargo local up`" } else { "cargo infra deploy" }
    }

    /// Where a function says what it does.
    pub(crate) fn log(&self, function: &str) -> String {
        if self.place.local {
            return format!("read its log: GET /functions/{function}/logs of the stand's control plane");
        }
        self.aws(format_args!("logs tail /aws/lambda/{} --since 15m", self.function(function)))
    }
}

/// The text as one word of a shell, whatever is in it.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_a_shell_stays_one() {
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("'; reboot #"), r"''\''; reboot #'");
    }
}
