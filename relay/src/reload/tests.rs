use super::*;
use crate::telemetry;
use relay_config::{cold::LogFormat, hot::LogLevel, status::StoreStatus};
use std::os::unix::fs::symlink;

/// A file that is watched, and what is in force.
struct Watched {
    dir: tempfile::TempDir,
    live: Arc<Live>,
    metrics: Arc<Metrics>,
    reloader: Reloader,
}

fn watched(prepare: impl Fn(&Path) -> PathBuf) -> Watched {
    let dir = tempfile::tempdir().unwrap();
    let source = Source {
        path: Some(prepare(dir.path())),
        flags: Box::new(|config| config.hot.url = Some("ws://flag.example".into())),
    };
    let mut loaded = source.load().unwrap();
    loaded.config.cold.data = dir.path().to_owned();
    let live = Arc::new(Live::new(&loaded));
    let metrics = Arc::new(Metrics::new());
    let reached = Reached {
        metrics: Arc::clone(&metrics),
        level: telemetry::start(LogFormat::Text, LogLevel::Error),
        others: Box::new(|_| {}),
        rejudge: Box::new(|| {}),
    };
    let reloader = Reloader::new(source, &loaded, Arc::clone(&live), reached);
    Watched {
        dir,
        live,
        metrics,
        reloader,
    }
}

fn plain(text: &str) -> Watched {
    watched(|dir| {
        let path = dir.join("relay.yaml");
        fs::write(&path, text).unwrap();
        path
    })
}

impl Watched {
    fn write(&self, text: &str) {
        fs::write(self.dir.path().join("relay.yaml"), text).unwrap();
    }

    /// Two looks: a plain file counts when it has stood still.
    fn look(&mut self) {
        self.reloader.look();
        self.reloader.look();
    }

    fn subscriptions(&self) -> u64 {
        self.live.hot.load().limits.subscriptions.get()
    }

    fn counted(&self, result: &str) -> bool {
        let line = format!("config_reloads_total{{result=\"{result}\"}} 1");
        self.metrics.render(&StoreStatus::default()).contains(&line)
    }
}

const TWENTY: &str = "version: 1\nhot: {limits: {subscriptions: 20}}\n";
const THIRTY: &str = "version: 1\nhot: {limits: {subscriptions: 30}}\n";

#[test]
fn a_changed_file_is_in_force_and_flags_still_beat_it() {
    let mut watched = plain(TWENTY);
    assert_eq!(watched.subscriptions(), 20);
    watched.write("version: 1\nhot: {url: \"ws://file.example\", limits: {subscriptions: 30}}\n");
    watched.look();
    assert_eq!(watched.subscriptions(), 30);
    assert_eq!(
        watched.live.hot.load().url.as_deref(),
        Some("ws://flag.example")
    );
    assert!(watched.counted("applied"));
    assert_eq!(watched.live.status.load().hash.len(), 64);
}

#[test]
fn a_bad_file_leaves_the_last_good_one_in_force_and_says_why() {
    let mut watched = plain(TWENTY);
    let good = watched.live.status.load().hash.clone();
    watched.write("version: 1\nhot:\n  limits:\n    subscription: 30\n");
    watched.look();
    let status = watched.live.status.load_full();
    assert_eq!(watched.subscriptions(), 20);
    assert_eq!(status.hash, good);
    assert!(
        status.error.contains("relay.yaml") && status.error.contains("line 4"),
        "{}",
        status.error
    );
    assert!(watched.counted("refused"));

    watched.write(THIRTY);
    watched.look();
    assert_eq!(watched.subscriptions(), 30);
    assert_eq!(watched.live.status.load().error, "");
}

#[test]
fn going_back_to_the_file_in_force_clears_the_error() {
    let mut watched = plain(TWENTY);
    watched.write("nonsense: [");
    watched.look();
    assert!(!watched.live.status.load().error.is_empty());
    watched.write(TWENTY);
    watched.look();
    assert_eq!(watched.live.status.load().error, "");
}

#[test]
fn a_file_that_is_gone_changes_nothing() {
    let mut watched = plain(TWENTY);
    fs::remove_file(watched.dir.path().join("relay.yaml")).unwrap();
    watched.look();
    assert_eq!(watched.subscriptions(), 20);
    assert!(watched.live.status.load().error.contains("relay.yaml"));
}

#[test]
fn a_file_that_is_being_written_is_left_alone() {
    let mut watched = plain(TWENTY);
    watched.write("");
    watched.reloader.look();
    assert_eq!(
        watched.subscriptions(),
        20,
        "truncated, its new text not written yet"
    );
    watched.write(THIRTY);
    watched.look();
    assert_eq!(watched.subscriptions(), 30);
}

#[test]
fn a_swapped_mount_is_in_force_at_the_next_look() {
    let mount = |dir: &Path, name: &str, text: &str| {
        fs::create_dir(dir.join(name)).unwrap();
        fs::write(dir.join(name).join("relay.yaml"), text).unwrap();
        symlink(name, dir.join("..new")).unwrap();
        fs::rename(dir.join("..new"), dir.join("..data")).unwrap();
    };
    let mut watched = watched(|dir| {
        mount(dir, "..1", TWENTY);
        symlink("..data/relay.yaml", dir.join("relay.yaml")).unwrap();
        dir.join("relay.yaml")
    });
    mount(watched.dir.path(), "..2", THIRTY);
    watched.reloader.look();
    assert_eq!(watched.subscriptions(), 30);
}

#[test]
fn cold_keys_are_named_and_wait_for_a_restart() {
    let mut watched = plain(TWENTY);
    watched.write(
        "version: 1\ncold: {grace: 45s, data: elsewhere}\nhot: {limits: {subscriptions: 30}}\n",
    );
    watched.look();
    let status = watched.live.status.load_full();
    assert_eq!(status.waiting_for_restart, ["cold.data", "cold.grace"]);
    assert_eq!(
        watched.subscriptions(),
        30,
        "hot keys beside them are in force"
    );
}

#[test]
fn a_key_that_is_no_key_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("relay.yaml");
    let write = |key: &str| {
        fs::write(
            &path,
            format!("version: 1\nhot:\n  info:\n    pubkey: {key}\n"),
        )
    };
    write("npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6").unwrap();
    assert!(read(&path).is_ok());
    write("npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w7").unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(
        error.contains("hot.info.pubkey") && error.contains("line 4"),
        "{error}"
    );
}
