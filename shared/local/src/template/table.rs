//! The table resource.

use serde_json::{Map, Value, json};

use super::{Deployment, Error, cursor::Cursor, scope::Scope};

/// An `AWS::DynamoDB::Table`.
#[derive(Debug, Clone)]
pub struct Table {
    /// The table's name.
    pub name: String,
    /// The table's ARN in the simulated account.
    pub arn: String,
    /// The body of DynamoDB's `CreateTable` that makes this table.
    pub create_table: Value,
    /// The attribute that holds an item's time to live, if the table has one.
    pub time_to_live: Option<String>,
}

/// Properties that `CreateTable` takes under the same name and in the same shape.
const CREATE_TABLE: [&str; 4] =
    ["AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema"];

/// Properties with a meaning of their own.
const READ: [&str; 3] = ["StreamSpecification", "TableName", "TimeToLiveSpecification"];

/// Properties without a meaning on one machine: a table here must be deletable and has no backups.
const ELSEWHERE: [&str; 4] =
    ["DeletionProtectionEnabled", "PointInTimeRecoverySpecification", "SSESpecification", "Tags"];

impl Table {
    pub(super) fn read(
        properties: &Cursor<'_>,
        scope: &Scope,
        deployment: &Deployment,
    ) -> Result<Self, Error> {
        properties.only(&[&CREATE_TABLE, &READ, &ELSEWHERE])?;
        let name = properties.need("TableName")?;
        let name = name.with(&scope.resolve(&name)?).text()?;

        let mut body = Map::from_iter([("TableName".to_owned(), json!(name))]);
        for key in CREATE_TABLE {
            if let Some(property) = properties.get(key) {
                body.insert(key.to_owned(), scope.resolve(&property)?);
            }
        }
        if let Some(stream) = properties.get("StreamSpecification") {
            stream.only(&[&["StreamViewType"]])?;
            let view = stream.need("StreamViewType")?.text()?;
            body.insert(
                "StreamSpecification".to_owned(),
                json!({ "StreamEnabled": true, "StreamViewType": view }),
            );
        }
        let arn = format!("arn:aws:dynamodb:{}:{}:table/{name}", deployment.region, deployment.account);
        let (create_table, time_to_live) = (Value::Object(body), time_to_live(properties)?);
        Ok(Self { name, arn, create_table, time_to_live })
    }

    /// Whether changes of its items can be read.
    pub fn has_stream(&self) -> bool {
        self.create_table.get("StreamSpecification").is_some()
    }
}

fn time_to_live(properties: &Cursor<'_>) -> Result<Option<String>, Error> {
    let Some(specification) = properties.get("TimeToLiveSpecification") else { return Ok(None) };
    specification.only(&[&["AttributeName", "Enabled"]])?;
    let enabled = specification.need("Enabled")?.text()? == "true";
    let attribute = specification.need("AttributeName")?.text()?;
    Ok(enabled.then_some(attribute))
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{deployment, ours},
        *,
    };

    #[test]
    fn our_table_is_created_as_it_is_written() {
        let table = ours().table;
        assert_eq!(table.name, "stagelink");
        assert_eq!(table.time_to_live.as_deref(), Some("expires_at"));
        let body = &table.create_table;
        assert_eq!(
            body["KeySchema"],
            json!([
                { "AttributeName": "pk", "KeyType": "HASH" },
                { "AttributeName": "sk", "KeyType": "RANGE" },
            ])
        );
        assert_eq!(body["GlobalSecondaryIndexes"][0]["IndexName"], "by_destination");
        assert_eq!(body["GlobalSecondaryIndexes"][1]["IndexName"], "due_work");
        assert_eq!(
            body["StreamSpecification"],
            json!({ "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" })
        );
        assert_eq!(body["BillingMode"], "PAY_PER_REQUEST");
        assert_eq!(body.get("DeletionProtectionEnabled"), None);
    }

    #[test]
    fn a_property_that_is_not_known_is_an_error() {
        let properties = json!({ "TableName": "t", "LocalSecondaryIndexes": [] });
        let none = json!({});
        let scope =
            Scope::new("us-east-1", "123456789012", &Cursor::root(&none), &Default::default()).unwrap();
        let error = Table::read(&Cursor::root(&properties), &scope, &deployment()).unwrap_err();
        assert!(error.to_string().starts_with("template, LocalSecondaryIndexes: "), "{error}");
    }
}
