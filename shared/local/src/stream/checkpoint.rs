//! How far each event source mapping has come. Lambda remembers it as long as the mapping exists; a stand that keeps its table in
//! a folder keeps it there too, so that its next start delivers what is new and no more.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The positions of all mappings: for each, the sequence number of the last change that it is done with.
#[derive(Default)]
pub(crate) struct Checkpoints {
    file: Option<PathBuf>,
    positions: Mutex<BTreeMap<String, String>>,
}

/// Why positions are not known.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}, where the positions in the table's stream are; remove it to begin anew", .file.display())]
pub struct CheckpointError {
    /// The file.
    pub file: PathBuf,
    /// The cause.
    #[source]
    pub source: io::Error,
}

/// In the folder of the table.
const FILE: &str = "stream-positions.json";

impl Checkpoints {
    /// The positions that a folder keeps; without a folder they are gone with the stand.
    ///
    /// # Errors
    /// When the folder has a file of them that cannot be read.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self, CheckpointError> {
        let Some(file) = folder.map(|folder| folder.join(FILE)) else { return Ok(Self::default()) };
        let positions = match std::fs::read(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error),
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
        };
        let positions = positions.map_err(|source| CheckpointError { file: file.clone(), source })?;
        Ok(Self { file: Some(file), positions: Mutex::new(positions) })
    }

    /// The last change that a mapping is done with.
    pub(super) fn get(&self, mapping: &str) -> Option<String> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner).get(mapping).cloned()
    }

    /// Remembers that a mapping is done with everything up to this change.
    pub(super) fn set(&self, mapping: &str, sequence_number: String) {
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        positions.insert(mapping.to_owned(), sequence_number);
        let Some(file) = &self.file else { return };
        if let Err(error) = write(file, &positions) {
            let file = file.display();
            tracing::warn!(%file, %error, "the position in the stream is not kept; the next start delivers changes again");
        }
    }
}

/// Writes beside and renames, so that a stand that is killed leaves a whole file.
fn write(file: &Path, positions: &BTreeMap<String, String>) -> io::Result<()> {
    let beside = file.with_extension("json.new");
    std::fs::write(&beside, serde_json::to_vec(positions)?)?;
    std::fs::rename(beside, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_positions_and_a_broken_file_is_named() {
        let folder = std::env::temp_dir().join(format!("stagelink-positions-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let open = || Checkpoints::open(Some(&folder));
        assert_eq!(open().unwrap().get("M"), None);
        open().unwrap().set("M", "7".to_owned());
        assert_eq!(open().unwrap().get("M").as_deref(), Some("7"));

        std::fs::write(folder.join(FILE), "nonsense").unwrap();
        let error = open().err().unwrap().to_string();
        assert!(error.contains(FILE), "{error}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
