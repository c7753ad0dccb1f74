//! The stand of the benchmark, with a function that does nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use benches::contender::{Contender, Kind, Running, Surroundings, Trust};
use benches::measure::{Extent, PLAIN, TLS, measure};
use benches::wire::{Authority, write_trust};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("benches-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn trust(&self, authority: &Authority) -> Trust {
        let trust = Trust { alone: self.0.join("alone.pem"), bundle: self.0.join("bundle.pem") };
        let roots = self.0.join("roots.pem");
        std::fs::write(&roots, "").unwrap();
        write_trust(authority, &roots, &trust.alone, &trust.bundle).unwrap();
        trust
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn contender(kind: Kind, command: &[&str]) -> Contender {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    Contender { kind, command, folder: Path::new("/").to_owned(), unpacked: 1, zip: 1, zip_with_all: None }
}

const FLOOR: &str = env!("CARGO_BIN_EXE_floor");

#[tokio::test]
async fn what_does_nothing_is_measured_with_and_without_tls() {
    let (folder, authority) = (Folder::new("measured"), Authority::new().unwrap());
    let trust = folder.trust(&authority);
    let extent = Extent { rounds: 1, events: 2 };
    let contenders = [contender(Kind::Floor, &[FLOOR])];

    let measured =
        measure(&contenders, extent, &[PLAIN, TLS], (&authority, &trust), &folder.0).await.unwrap();

    for condition in [PLAIN, TLS] {
        let samples = &measured.samples[condition.name][&Kind::Floor];
        assert_eq!((samples.len(), samples[0].warm.len()), (1, 2));
        let summary = measured.summary(condition, Kind::Floor).unwrap();
        for value in [summary.init, summary.init_cpu, summary.first, summary.p50, summary.cpu, summary.peak] {
            assert!(value.median > 0.0, "{summary:?}");
        }
    }
    let work = measured.work[&Kind::Floor];
    assert_eq!((work.dynamodb, work.ivs, work.before_start), (0.0, 0.0, None));
}

#[tokio::test]
async fn who_does_not_do_its_job_is_not_measured() {
    let (folder, authority) = (Folder::new("wrong"), Authority::new().unwrap());
    let trust = folder.trust(&authority);
    let surroundings =
        Surroundings { delay: Duration::ZERO, authority: None, trust: &trust, logs: &folder.0 };

    let ended = Running::start(&contender(Kind::Ours, &["false"]), surroundings, &[]).await;
    let ended = ended.err().unwrap().to_string();
    assert!(ended.starts_with("ours: it ended: "), "{ended}");

    // It answers, and makes none of the calls that ours has to make.
    let (mut idle, _) = Running::start(&contender(Kind::Ours, &[FLOOR]), surroundings, &[]).await.unwrap();
    let error = idle.handle().await.err().unwrap().to_string();
    assert!(error.starts_with("ours: its calls were [], and its job is [\"Query\""), "{error}");
    idle.end().await.unwrap();
}
