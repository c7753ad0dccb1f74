//! A table of the deployment template, empty, for one test.

use std::sync::atomic::{AtomicUsize, Ordering};

use dynoxide::Database;
use local::template::{Deployment, Template};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::world::Trouble;

/// The environment variable that names a DynamoDB to make the tables in, instead of the embedded one; `cargo infra store` sets it.
const DYNAMODB: &str = "STAGELINK_TEST_DYNAMODB";

/// A table. The embedded DynamoDB has no other, and ends with this; on another DynamoDB its name tells it from those of other tests.
pub struct Table {
    /// DynamoDB's address.
    pub url: String,
    /// The table's name.
    pub name: String,
    client: reqwest::Client,
    _servers: JoinSet<()>,
}

impl Table {
    /// Makes the table.
    ///
    /// # Errors
    /// When DynamoDB cannot be reached, or refuses the table as the template has it.
    pub async fn create() -> Result<Self, Trouble> {
        let deployment = Deployment {
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            parameters: Default::default(),
        };
        let template = local::stand::workspace().join("infra/template.yaml");
        let table = Template::read(&template, &deployment)?.table;
        match std::env::var(DYNAMODB) {
            Ok(url) => Self::on(url, table).await,
            Err(_) => Self::embedded(local::dynamodb::open(&table, None)?, table.name).await,
        }
    }

    async fn embedded(database: Database, name: String) -> Result<Self, Trouble> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let mut servers = JoinSet::new();
        servers.spawn(async move {
            drop(dynoxide::server::serve_with_shutdown(listener, database, std::future::pending()).await);
        });
        Ok(Self { url, name, client: reqwest::Client::new(), _servers: servers })
    }

    /// As `local::dynamodb` does it, over the wire.
    async fn on(url: String, mut table: local::template::Table) -> Result<Self, Trouble> {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{}-{number}", table.name, std::process::id());
        table.create_table["TableName"] = json!(name);
        let made = Self { url, name, client: reqwest::Client::new(), _servers: JoinSet::new() };
        made.request("CreateTable", &table.create_table).await?;
        if let Some(attribute) = table.time_to_live {
            let specification = json!({ "AttributeName": attribute, "Enabled": true });
            let body = json!({ "TableName": made.name, "TimeToLiveSpecification": specification });
            made.request("UpdateTimeToLive", &body).await?;
        }
        Ok(made)
    }

    /// Every item as DynamoDB's JSON, by its keys.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn items(&self) -> Result<Vec<Value>, Trouble> {
        let (mut items, mut last) = (Vec::new(), Value::Null);
        loop {
            let mut scan = json!({ "TableName": self.name });
            if !last.is_null() {
                scan["ExclusiveStartKey"] = last;
            }
            let mut page = self.request("Scan", &scan).await?;
            items.extend(page["Items"].as_array().into_iter().flatten().cloned());
            last = page["LastEvaluatedKey"].take();
            if last.is_null() {
                break;
            }
        }
        items.sort_by_key(|item| [&item["pk"]["S"], &item["sk"]["S"]].map(ToString::to_string));
        Ok(items)
    }

    /// Puts an item there as none of ours would, in DynamoDB's JSON.
    ///
    /// # Errors
    /// When DynamoDB refuses it.
    pub async fn put(&self, item: &Value) -> Result<(), Trouble> {
        self.request("PutItem", &json!({ "TableName": self.name, "Item": item })).await.map(drop)
    }

    /// Asks something, in DynamoDB's JSON.
    ///
    /// # Errors
    /// When DynamoDB refuses it.
    pub async fn request(&self, operation: &str, body: &Value) -> Result<Value, Trouble> {
        let authorization = "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/dynamodb/aws4_request, \
            SignedHeaders=host, Signature=any";
        let request = self
            .client
            .post(&self.url)
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("x-amz-date", "20260101T000000Z")
            .header("authorization", authorization)
            .body(body.to_string());
        let answer = request.send().await.map_err(|error| format!("{operation} at {}: {error}", self.url))?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            return Err(format!("{operation} of {}: {status} {text}", self.name).into());
        }
        Ok(serde_json::from_str(&text)?)
    }
}
