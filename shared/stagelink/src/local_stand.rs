//! How `--local` finds the local stand: `cargo local up` leaves a file with its addresses while it runs.

use std::io;
use std::path::{Path, PathBuf};

use aws_adapters::ConnectionOptions;
use serde::{Deserialize, Serialize};

/// The addresses of a running stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalStand {
    /// The stand's process.
    pub pid: u32,
    /// Name of its table.
    pub table: String,
    /// Its Region.
    pub region: String,
    /// URL of its DynamoDB.
    pub dynamodb: String,
    /// URL of its IVS Real-Time.
    pub ivs: String,
    /// URL of its control plane.
    pub control: String,
    /// URL of its Lambda, EventBridge, SQS and STS.
    pub aws: String,
}

impl LocalStand {
    /// The environment variable that names another file than [`LocalStand::file`].
    pub const VARIABLE: &str = "STAGELINK_LOCAL_STAND";

    /// The file: what the environment names, or `stagelink/local-stand.json` in the user's folder for state (XDG base directories).
    /// Nothing if there is no home.
    pub fn file() -> Option<PathBuf> {
        if let Some(named) = std::env::var_os(Self::VARIABLE).filter(|name| !name.is_empty()) {
            return Some(named.into());
        }
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let state = state.or_else(|| Some(std::env::home_dir()?.join(".local/state")))?;
        Some(state.join("stagelink/local-stand.json"))
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or is not of this form.
    pub fn read(file: &Path) -> io::Result<Self> {
        serde_json::from_slice(&std::fs::read(file)?).map_err(io::Error::from)
    }

    /// Leaves the file, in the place of one that another stand may have left. It is whole at any moment.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let unfinished = file.with_extension(format!("{}.tmp", self.pid));
        std::fs::write(&unfinished, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(&unfinished, file)
    }

    /// Takes the file away, unless it is another stand's by now.
    ///
    /// # Errors
    /// When it is there and cannot be taken away.
    pub fn remove(&self, file: &Path) -> io::Result<()> {
        match Self::read(file) {
            Ok(found) if found.pid == self.pid => std::fs::remove_file(file),
            _ => Ok(()),
        }
    }

    /// How to reach it. It takes any credentials.
    pub fn connection(&self) -> ConnectionOptions {
        ConnectionOptions {
            region: Some(self.region.clone()),
            profile: None,
            dynamodb_endpoint: Some(self.dynamodb.clone()),
            ivs_endpoint: Some(self.ivs.clone()),
            aws_endpoint: Some(self.aws.clone()),
            emulated: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand(pid: u32) -> LocalStand {
        let text = |text: &str| text.to_owned();
        LocalStand {
            pid,
            table: text("t"),
            region: text("r"),
            dynamodb: text("d"),
            ivs: text("i"),
            control: text("c"),
            aws: text("a"),
        }
    }

    #[test]
    fn the_file_is_the_last_stands() {
        let folder = std::env::temp_dir().join(format!("stagelink-stand-{}", std::process::id()));
        let file = folder.join("deep/stand.json");
        stand(1).write(&file).unwrap();
        stand(2).write(&file).unwrap();
        stand(1).remove(&file).unwrap();
        assert_eq!(LocalStand::read(&file).unwrap(), stand(2));
        stand(2).remove(&file).unwrap();
        assert_eq!(LocalStand::read(&file).unwrap_err().kind(), io::ErrorKind::NotFound);
        stand(2).remove(&file).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
