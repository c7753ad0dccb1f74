//! The deployment template as the stand reads it: the table, the functions and what calls them are taken from
//! `infra/template.yaml`, so that what runs here is what deploys.
//!
//! # Guarantees
//! Everything in the template is either interpreted, or on a list of what has no meaning on one machine (permissions,
//! log groups, tracing). Anything else is an error: nothing is skipped silently.

mod cursor;
mod function;
mod queue;
mod scope;
mod table;
mod trigger;
mod yaml;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use self::{cursor::Cursor, scope::Scope};
pub use self::{
    function::Function,
    queue::Queue,
    table::Table,
    trigger::{EventRule, Schedule, StartingPosition, StreamSource},
};

/// The stack's name.
pub(crate) const STACK: &str = "stagelink";

/// What the template says that matters on one machine.
#[derive(Debug, Clone)]
pub struct Template {
    /// The one DynamoDB table.
    pub table: Table,
    /// The queue of what could not be handled, if there is one.
    pub queue: Option<Queue>,
    /// The functions, by logical id.
    pub functions: Vec<Function>,
}

/// The values a deployment would give the template.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// `AWS::Region`.
    pub region: String,
    /// `AWS::AccountId`.
    pub account: String,
    /// Parameters other than at their defaults.
    pub parameters: BTreeMap<String, String>,
}

/// Why a template cannot be run here.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the template {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The file is not CloudFormation's YAML.
    #[error("the template is not a CloudFormation document")]
    Yaml(#[source] Box<serde_saphyr::Error>),
    /// A field without which the stand cannot run the template.
    #[error("template, {at}: field `{field}` is missing")]
    Missing {
        /// The place, as a path of keys.
        at: String,
        /// The field.
        field: String,
    },
    /// Something that is valid in AWS, perhaps, and that this stand cannot do.
    #[error("template, {at}: {reason}")]
    Uninterpreted {
        /// The place, as a path of keys.
        at: String,
        /// What is there, and what would be understood.
        reason: String,
    },
}

/// The document as it is written, in CloudFormation's long form: `!Ref Table` is `{"Ref": "Table"}`.
///
/// # Errors
/// When the text is not YAML, or has a tag that CloudFormation does not know.
pub fn document(text: &str) -> Result<serde_json::Value, Error> {
    yaml::parse(text).map_err(|error| Error::Yaml(Box::new(error)))
}

impl Template {
    /// Reads a template file.
    ///
    /// # Errors
    /// When the file cannot be read, and as [`Template::parse`].
    pub fn read(path: &Path, deployment: &Deployment) -> Result<Self, Error> {
        let text =
            std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&text, deployment)
    }

    /// Reads a template.
    ///
    /// # Errors
    /// When the text is not YAML, or has something in it that the stand cannot interpret.
    pub fn parse(text: &str, deployment: &Deployment) -> Result<Self, Error> {
        let document = document(text)?;
        let root = Cursor::root(&document);
        root.only(&[&SECTIONS])?;

        let nothing = serde_json::json!({});
        let declared = root.get("Parameters").unwrap_or_else(|| root.with(&nothing));
        let mut scope =
            Scope::new(&deployment.region, &deployment.account, &declared, &deployment.parameters)?;

        scope.add_conditions(&root.get("Conditions").unwrap_or_else(|| root.with(&nothing)))?;
        let globals = root.get("Globals").unwrap_or_else(|| root.with(&nothing));
        globals.only(&[&["Function"]])?;

        let resources = resources(&root.need("Resources")?)?;
        let tables: Vec<_> = of_type(&resources, "AWS::DynamoDB::Table");
        let [(table_id, table)] = tables.as_slice() else {
            let reason =
                format!("the stand runs exactly one AWS::DynamoDB::Table, this has {}", tables.len());
            return Err(root.need("Resources")?.uninterpreted(&reason));
        };
        let table = Table::read(&table.need("Properties")?, &scope, deployment)?;
        scope.add_resource(table_id, table.name.clone(), table.arn.clone());
        if table.has_stream() {
            scope.add_stream_of_table(table_id);
        }

        let queue = match of_type(&resources, "AWS::SQS::Queue").as_slice() {
            [] => None,
            [(id, queue)] => Some(Queue::read(id, queue, &scope)?),
            more => {
                let reason = format!("the stand runs one AWS::SQS::Queue at most, this has {}", more.len());
                return Err(root.need("Resources")?.uninterpreted(&reason));
            }
        };
        if let Some(queue) = &queue {
            scope.add_resource(&queue.logical_id, queue.name.clone(), queue.arn.clone());
        }

        let functions = of_type(&resources, "AWS::Serverless::Function")
            .into_iter()
            .map(|(id, resource)| Function::read(id, &resource.need("Properties")?, &globals, &scope))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { table, queue, functions })
    }
}

/// Sections of a template.
const SECTIONS: [&str; 9] = [
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Globals",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Transform",
];

/// Resources that the stand runs.
const RUN: [&str; 3] = ["AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::Serverless::Function"];

/// Resources that have no meaning on one machine, and may depend on conditions.
const ELSEWHERE: [&str; 6] = [
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::Logs::LogGroup",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SQS::QueuePolicy",
];

/// Attributes of a resource.
const ATTRIBUTES: [&str; 6] =
    ["DeletionPolicy", "DependsOn", "Metadata", "Properties", "Type", "UpdateReplacePolicy"];

struct Resource<'a> {
    id: String,
    kind: String,
    cursor: Cursor<'a>,
}

fn resources<'a>(section: &Cursor<'a>) -> Result<Vec<Resource<'a>>, Error> {
    let mut resources = Vec::new();
    for (id, cursor) in section.fields()? {
        let kind = cursor.need("Type")?.text()?;
        let elsewhere = ELSEWHERE.contains(&kind.as_str());
        if !elsewhere && !RUN.contains(&kind.as_str()) {
            let known = [RUN.as_slice(), &ELSEWHERE].concat().join(", ");
            return Err(cursor.uninterpreted(&format!("the stand does not know `{kind}`; it knows {known}")));
        }
        let conditional: &[&str] = if elsewhere { &["Condition"] } else { &[] };
        cursor.only(&[&ATTRIBUTES, conditional])?;
        resources.push(Resource { id, kind, cursor });
    }
    Ok(resources)
}

fn of_type<'r, 'a>(resources: &'r [Resource<'a>], kind: &str) -> Vec<(&'r str, &'r Cursor<'a>)> {
    let of_kind = resources.iter().filter(|resource| resource.kind == kind);
    of_kind.map(|resource| (resource.id.as_str(), &resource.cursor)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::*;

    pub(crate) fn deployment() -> Deployment {
        Deployment {
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            parameters: BTreeMap::new(),
        }
    }

    /// The template that deploys.
    pub(crate) fn ours() -> Template {
        Template::parse(include_str!("../../../../infra/template.yaml"), &deployment()).unwrap()
    }

    /// One of its functions.
    pub(crate) fn our(function: &str) -> Function {
        ours().functions.into_iter().find(|each| each.name == function).unwrap()
    }

    const SMALL: &str = "
Transform: AWS::Serverless-2016-10-31
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: small
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
";

    fn error(text: &str) -> String {
        Template::parse(text, &deployment()).unwrap_err().to_string()
    }

    #[test]
    fn our_template_has_the_seven_functions() {
        let names: BTreeSet<_> = ours().functions.into_iter().map(|function| function.name).collect();
        let by_event = ["participant-published", "participant-unpublished", "replication-changed"];
        let by_itself = ["api", "dispatch", "reconcile", "rule-changed"];
        assert_eq!(names, by_event.into_iter().chain(by_itself).map(str::to_owned).collect());
    }

    #[test]
    fn everything_that_fails_in_our_template_goes_to_its_one_queue() {
        let template = ours();
        let queue = template.queue.unwrap();
        assert_eq!(queue.name, "stagelink-DeadLetters");
        assert_eq!(queue.retention, std::time::Duration::from_secs(14 * 24 * 3_600));
        let arn = Some("arn:aws:sqs:us-east-1:123456789012:stagelink-DeadLetters");
        assert_eq!(Some(queue.arn.as_str()), arn);
        for function in &template.functions {
            let rules = function.rules.iter().map(|rule| &rule.dead_letters);
            let schedules = function.schedules.iter().map(|schedule| &schedule.dead_letters);
            let streams = function.streams.iter().map(|stream| &stream.dead_letters);
            assert!(rules.chain(schedules).chain(streams).all(|queue| queue.as_deref() == arn));
            let asynchronous = !function.rules.is_empty() || !function.schedules.is_empty();
            assert_eq!(function.on_failure.is_some(), asynchronous, "{}", function.name);
        }
    }

    #[test]
    fn there_may_be_one_queue() {
        let queues = "  A: { Type: 'AWS::SQS::Queue' }\n  B: { Type: 'AWS::SQS::Queue' }\n";
        assert!(error(&format!("{SMALL}{queues}")).contains("one AWS::SQS::Queue at most, this has 2"));
    }

    #[test]
    fn a_parameter_can_be_given() {
        let parameters = BTreeMap::from([("TableName".to_owned(), "other".to_owned())]);
        let given = Deployment { parameters, ..deployment() };
        let template = Template::parse(include_str!("../../../../infra/template.yaml"), &given).unwrap();
        assert_eq!(template.table.name, "other");
        assert_eq!(template.functions[0].environment["TABLE_NAME"], "other");
    }

    #[test]
    fn a_template_without_functions_is_a_template() {
        assert_eq!(Template::parse(SMALL, &deployment()).unwrap().functions.len(), 0);
    }

    #[test]
    fn a_section_a_resource_or_an_attribute_that_is_not_known_is_an_error() {
        let with_mappings = format!("{SMALL}Mappings: {{}}\n");
        assert!(error(&with_mappings).starts_with("template, Mappings: "));

        let with_bucket = format!("{SMALL}  Bucket: {{ Type: 'AWS::S3::Bucket' }}\n");
        assert!(error(&with_bucket).contains("does not know `AWS::S3::Bucket`"));

        let conditional = SMALL.replace("    Properties:", "    Condition: C\n    Properties:");
        assert!(error(&conditional).starts_with("template, Resources.Table.Condition: "));
    }

    #[test]
    fn there_must_be_exactly_one_table() {
        assert!(error("Resources: {}").contains("exactly one AWS::DynamoDB::Table, this has 0"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Template::read(Path::new("/nowhere/template.yaml"), &deployment()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the template /nowhere/template.yaml");
    }
}
