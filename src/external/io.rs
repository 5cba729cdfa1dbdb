//! Keeps the list in its file and MediaMTX's paths after it, and looks for streams.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::book::Book;
use super::discovery::{FRESH, Find, Finds, Scan, Settings, Target};
use super::probe::io::{Heard, probe};
use super::url::StreamUrl;
use super::{Kind, Refusal, Stream, Streams};
use crate::clock::{self, Wall};
use crate::durable;
use crate::error::{Error, Kind as Failure, Later, Result};
use crate::mediamtx::Paths;

/// Bytes of the file at most: 64 entries of the longest addresses, and room.
const LONGEST_FILE: u64 = 1 << 20;
/// How long MediaMTX may take to take a new stream; afterwards it is told again and again.
const PATIENCE: Duration = Duration::from_secs(3);
/// The least pause between scans that nobody asked for.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// The streams of somebody else. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct External(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    paths: Paths,
    settings: Settings,
    book: Mutex<Book>,
    /// One change of the file at a time.
    writing: tokio::sync::Mutex<()>,
    finds: Mutex<Finds>,
    /// The scan under way, or the last one.
    scan: Mutex<Option<watch::Receiver<Option<Arc<Scan>>>>>,
    interval: watch::Sender<Duration>,
}

/// The list's file beneath the data folder.
#[must_use]
pub fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("external-streams.json")
}

impl External {
    /// Reads the list and wishes for its paths. Blocks for as long as the disk takes, so before the doors open.
    ///
    /// A damaged list is kept aside with the ending `.damaged` and an empty one taken: the box does more than this.
    ///
    /// # Errors
    /// `Config` when the file is damaged and cannot be put aside.
    pub fn load(data_dir: &Path, paths: Paths, settings: Settings) -> Result<Self> {
        let file = file(data_dir);
        let book = read(&file)?;
        for stream in book.streams() {
            pull(&paths, stream);
        }
        Ok(Self(Arc::new(Inner {
            file,
            paths,
            interval: watch::Sender::new(settings.interval),
            settings,
            book: Mutex::new(book),
            writing: tokio::sync::Mutex::new(()),
            finds: Mutex::default(),
            scan: Mutex::default(),
        })))
    }

    /// Notes which streams MediaMTX gets now; called every second or so.
    pub fn saw(&self, is_ready: impl Fn(&str) -> bool, now: Wall) {
        held(&self.0.book).saw(is_ready, now);
    }

    /// Looks for streams from time to time, as configured, until the service stops.
    pub async fn look(self, mut stopping: watch::Receiver<bool>) -> Result<()> {
        let mut interval = self.0.interval.subscribe();
        let mut due = self.0.settings.enabled && self.0.settings.at_start;
        loop {
            if due && let Err(e) = self.discover(true).await {
                tracing::warn!("{e}");
            }
            due = false;
            let every = *interval.borrow_and_update();
            let pause = async {
                if every.is_zero() || !self.0.settings.enabled {
                    std::future::pending::<()>().await;
                }
                sleep(every.max(LEAST_PAUSE)).await;
            };
            tokio::select! {
                () = pause => due = true,
                changed = interval.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
                _ = stopping.changed() => return Ok(()),
            }
        }
    }
}

impl Streams for External {
    fn list(&self) -> Vec<Stream> {
        held(&self.0.book).streams().cloned().collect()
    }

    fn get(&self, name: &str) -> Option<Stream> {
        held(&self.0.book).get(name).cloned()
    }

    fn add(
        &self,
        name: &str,
        url: StreamUrl,
        kind: Kind,
        now: Wall,
    ) -> Later<Result<Stream, Refusal>> {
        let (inner, name) = (Arc::clone(&self.0), name.to_owned());
        carried_out(async move { inner.add(&name, url, kind, now).await })
    }

    fn remove(&self, url: &StreamUrl) -> Later<Option<Stream>> {
        let (inner, url) = (Arc::clone(&self.0), url.clone());
        carried_out(async move { inner.remove(&url).await })
    }

    fn is_discovery_on(&self) -> bool {
        self.0.settings.enabled
    }

    fn finds(&self) -> Vec<Find> {
        held(&self.0.finds).all()
    }

    fn discover(&self, force: bool) -> Later<Arc<Scan>> {
        let mut result = self.0.scanning(force);
        Box::pin(async move {
            let broken = |_| Error::new(Failure::Internal, "the search for streams broke off");
            let scan = result.wait_for(Option::is_some).await.map_err(broken)?;
            scan.clone()
                .ok_or_else(|| Error::new(Failure::Internal, "the search for streams found no end"))
        })
    }

    fn set_interval(&self, every: Duration) {
        self.0.interval.send_replace(every);
    }
}

/// Runs to its end even when whoever asked hangs up: half a change would be worse than none.
fn carried_out<T: Send + 'static>(
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Later<T> {
    let task = tokio::spawn(work);
    Box::pin(async move {
        task.await.map_err(|e| {
            Error::new(Failure::Internal, "a change of the list broke off").because(e)
        })?
    })
}

fn pull(paths: &Paths, stream: &Stream) {
    let url = stream.url.full().to_owned();
    paths.wish(&stream.name, |wish| wish.source = Some(url));
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked while holding it left a whole map.
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    async fn add(
        &self,
        name: &str,
        url: StreamUrl,
        kind: Kind,
        now: Wall,
    ) -> Result<Result<Stream, Refusal>> {
        let _one = self.writing.lock().await;
        let mut changed = held(&self.book).clone();
        let stream = match changed.add(name, url, kind, now) {
            Ok(stream) => stream,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.write(&changed).await?;
        *held(&self.book) = changed;
        pull(&self.paths, &stream);
        match self.paths.settled(name, PATIENCE).await {
            Ok(()) => tracing::info!(name, url = ?stream.url, "an external stream was added"),
            Err(e) if e.kind() == Failure::Refused => {
                self.paths.forget(name);
                let mut back = held(&self.book).clone();
                back.remove(&stream.url);
                self.write(&back).await?;
                *held(&self.book) = back;
                return Err(e);
            }
            // It is told as soon as it answers.
            Err(e) => tracing::warn!(name, "an external stream waits: {e}"),
        }
        Ok(Ok(stream))
    }

    async fn remove(&self, url: &StreamUrl) -> Result<Option<Stream>> {
        let _one = self.writing.lock().await;
        let mut changed = held(&self.book).clone();
        let Some(stream) = changed.remove(url) else {
            return Ok(None);
        };
        self.write(&changed).await?;
        *held(&self.book) = changed;
        self.paths.forget(&stream.name);
        if let Err(e) = self.paths.settled(&stream.name, PATIENCE).await {
            tracing::warn!(
                name = stream.name,
                "an external stream is not pulled any more, but: {e}"
            );
        }
        tracing::info!(name = stream.name, "an external stream was removed");
        Ok(Some(stream))
    }

    async fn write(&self, book: &Book) -> Result<()> {
        let (file, text) = (self.file.clone(), book.to_text());
        tokio::task::spawn_blocking(move || write(&file, &text))
            .await
            .map_err(|e| Error::new(Failure::Internal, "a file was not written").because(e))?
    }

    /// The scan under way, else a fresh result, else a new scan.
    fn scanning(self: &Arc<Self>, force: bool) -> watch::Receiver<Option<Arc<Scan>>> {
        let mut slot = held(&self.scan);
        if let Some(known) = slot.as_ref() {
            let fresh = match known.borrow().as_ref() {
                // Whoever broke off left an end that cannot change any more.
                None => known.has_changed().is_ok(),
                Some(scan) => !force && clock::mono().since(scan.ended) < FRESH,
            };
            if fresh {
                return known.clone();
            }
        }
        let (sender, receiver) = watch::channel(None);
        *slot = Some(receiver.clone());
        let inner = Arc::clone(self);
        tokio::spawn(async move {
            let scan = inner.scan().await;
            sender.send_replace(Some(Arc::new(scan)));
        });
        receiver
    }

    async fn scan(&self) -> Scan {
        let (began, at) = (clock::mono(), clock::wall());
        let deadline = Instant::now() + self.settings.budget;
        let targets = self.settings.targets();
        let all = targets.len();
        let seats = Arc::new(Semaphore::new(self.settings.concurrent.max(1)));
        let mut asked: JoinSet<Option<(Target, Heard)>> = JoinSet::new();
        for target in targets {
            let seats = Arc::clone(&seats);
            asked.spawn(async move {
                let _seat = seats.acquire().await.ok()?;
                let heard = probe(&target).await;
                Some((target, heard))
            });
        }
        let (mut found, mut errors, mut done) = (Vec::new(), Vec::new(), 0);
        while let Ok(Some(next)) = timeout_at(deadline, asked.join_next()).await {
            let Ok(Some((target, heard))) = next else {
                continue;
            };
            done += 1;
            let now = clock::wall();
            for (path, view, media) in heard.streams {
                found.push(Find::new(&target, &path, view, media, now));
            }
            for path in heard.locked {
                errors.push(format!(
                    "{}:{}{path} wants a user name and a password: add it with them",
                    target.ip, target.port
                ));
            }
        }
        asked.shutdown().await;
        errors.sort();
        errors.truncate(MOST_ERRORS);
        if done < all {
            errors.push(format!(
                "{} of {all} addresses and ports did not answer within the {} s of the whole search; \
                 narrow external_discovery's ranges, or raise its scan_timeout",
                all - done,
                self.settings.budget.as_secs()
            ));
        }
        let finds = {
            let mut finds = held(&self.finds);
            finds.take(found, done == all, clock::wall());
            finds.all()
        };
        let ended = clock::mono();
        Scan {
            at,
            ended,
            took: ended.since(began),
            finds,
            errors,
        }
    }
}

/// Sentences of one scan at most.
const MOST_ERRORS: usize = 64;

fn read(file: &Path) -> Result<Book> {
    let mut text = String::new();
    let opened = File::open(file).and_then(|f| f.take(LONGEST_FILE + 1).read_to_string(&mut text));
    let damage = match opened {
        Ok(bytes) if bytes as u64 > LONGEST_FILE => "it is longer than any list".to_owned(),
        Ok(_) => match Book::from_text(&text, clock::wall()) {
            Ok(book) => return Ok(book),
            Err(damage) => damage,
        },
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Book::default()),
        Err(e) => format!("it cannot be read: {e}"),
    };
    let aside = file.with_extension("json.damaged");
    fs::rename(file, &aside).map_err(|e| {
        Error::new(
            Failure::Config,
            format!(
                "{} is damaged ({damage}) and cannot be put aside",
                file.display()
            ),
        )
        .because(e)
        .action("let the service's user own its folder, or move the file away")
    })?;
    tracing::error!(
        "the list of external streams is damaged ({damage}); it is kept as {}, and the service goes on without: \
         add the streams anew",
        aside.display()
    );
    Ok(Book::default())
}

fn write(file: &Path, text: &str) -> Result<()> {
    let failed = |e: std::io::Error| {
        Error::new(Failure::Config, format!("cannot write {}", file.display()))
            .because(e)
            .action("let the service's user own its folder, and see whether the disk is full")
    };
    durable::replace(file, text.as_bytes(), 0o600).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::external::discovery::{Generic, Range, View};
    use crate::mediamtx::paths::{Keeper, PathWish};
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Notes wishes; refuses what is told to be refused.
    #[derive(Debug, Default)]
    struct Wishes {
        all: Mutex<BTreeMap<String, PathWish>>,
        refuses: bool,
    }

    impl Keeper for Wishes {
        fn change(&self, name: &str, change: Box<dyn FnOnce(&mut PathWish) + '_>) {
            change(held(&self.all).entry(name.to_owned()).or_default());
        }
        fn forget(&self, name: &str) {
            held(&self.all).remove(name);
        }
        fn wished(&self, name: &str) -> Option<PathWish> {
            held(&self.all).get(name).cloned()
        }
        fn settled(&self, _: &str, _: Duration) -> Later<()> {
            let refuses = self.refuses;
            Box::pin(async move {
                match refuses {
                    true => Err(Error::new(Failure::Refused, "no")),
                    false => Ok(()),
                }
            })
        }
    }

    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("external-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn load(dir: &Dir, wishes: &Arc<Wishes>, settings: Settings) -> External {
        let paths = Paths::new(Arc::clone(wishes) as Arc<dyn Keeper>);
        External::load(&dir.0, paths, settings).unwrap()
    }

    fn url(text: &str) -> StreamUrl {
        StreamUrl::parse(text).unwrap()
    }

    #[tokio::test]
    async fn an_added_stream_is_there_after_a_restart_and_its_password_only_in_a_private_file() {
        let dir = Dir::new("kept");
        let wishes = Arc::new(Wishes::default());
        let external = load(&dir, &wishes, Settings::default());
        let address = "rtsp://ann:geheim@192.0.2.7/live";
        external
            .add("drone", url(address), Kind::Generic, clock::wall())
            .await
            .unwrap()
            .unwrap();
        let mode = fs::metadata(file(&dir.0)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{external:?}").contains("geheim"));

        let wishes = Arc::new(Wishes::default());
        let external = load(&dir, &wishes, Settings::default());
        assert_eq!(external.get("drone").unwrap().url.full(), address);
        assert_eq!(
            wishes.wished("drone").unwrap().source.as_deref(),
            Some(address)
        );
        let gone = external
            .remove(&url("rtsp://192.0.2.7/live"))
            .await
            .unwrap();
        assert_eq!(gone.unwrap().name, "drone");
        assert!(wishes.wished("drone").is_none());
        assert!(load(&dir, &wishes, Settings::default()).list().is_empty());
    }

    #[tokio::test]
    async fn what_mediamtx_refuses_is_not_kept() {
        let dir = Dir::new("refused");
        let wishes = Arc::new(Wishes {
            refuses: true,
            ..Wishes::default()
        });
        let external = load(&dir, &wishes, Settings::default());
        let added = external.add("drone", url("rtsp://h/x"), Kind::Generic, clock::wall());
        assert_eq!(added.await.unwrap_err().kind(), Failure::Refused);
        assert!(external.list().is_empty() && wishes.wished("drone").is_none());
        assert!(load(&dir, &wishes, Settings::default()).list().is_empty());
    }

    #[tokio::test]
    async fn a_damaged_list_is_kept_aside_and_the_service_goes_on() {
        let dir = Dir::new("damaged");
        let wishes = Arc::new(Wishes::default());
        fs::write(file(&dir.0), b"{\"version\":1,\"streams\":[{\"na").unwrap();
        let external = load(&dir, &wishes, Settings::default());
        assert!(external.list().is_empty());
        let aside = dir.0.join("external-streams.json.damaged");
        assert!(fs::read(aside).unwrap().ends_with(b"{\"na"));
        external
            .add("drone", url("rtsp://h/x"), Kind::Generic, clock::wall())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(load(&dir, &wishes, Settings::default()).list().len(), 1);
    }

    /// An RTSP server that has a picture under `/live`, wants a password for `/locked`, and counts connections.
    async fn camera(address: &str, connections: Arc<AtomicUsize>) -> u16 {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    while let Ok(got @ 1..) = stream.read(&mut bytes).await {
                        let text = String::from_utf8_lossy(&bytes[..got]).into_owned();
                        let cseq = text.split("CSeq: ").nth(1).unwrap();
                        let cseq = cseq.split("\r\n").next().unwrap();
                        let sdp = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n";
                        let (status, body) = match text.lines().next().unwrap() {
                            l if l.starts_with("OPTIONS") => ("200 OK", ""),
                            l if l.contains("/live ") => ("200 OK", sdp),
                            l if l.contains("/locked ") => ("401 Unauthorized", ""),
                            _ => ("404 Not Found", ""),
                        };
                        let answer = format!(
                            "RTSP/1.0 {status}\r\nCSeq: {cseq}\r\nContent-Length: {}\r\n\r\n{body}",
                            body.len()
                        );
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        port
    }

    /// Accepts and never says a word.
    async fn mute(address: &str) -> TcpListener {
        TcpListener::bind(address).await.unwrap()
    }

    fn searching(ports: Vec<u16>, budget: Duration) -> Settings {
        let range: Range = "127.0.0.0/29".parse().unwrap();
        Settings {
            enabled: true,
            budget,
            skydio: crate::external::discovery::Skydio {
                enabled: false,
                ..Default::default()
            },
            generic: Generic {
                enabled: true,
                network_ranges: vec![range],
                common_ports: ports,
                stream_paths: ["/nothing", "/live", "/locked"].map(str::to_owned).into(),
                known_ips: Vec::new(),
            },
            ..Settings::default()
        }
    }

    #[tokio::test]
    async fn a_scan_finds_what_has_a_picture_and_not_what_merely_listens() {
        let dir = Dir::new("scan");
        let connections = Arc::new(AtomicUsize::new(0));
        let port = camera("127.0.0.3:0", Arc::clone(&connections)).await;
        let silent = mute("127.0.0.4:0").await;
        let ports = vec![port, silent.local_addr().unwrap().port()];
        let budget = Duration::from_secs(10);
        let external = load(&dir, &Arc::new(Wishes::default()), searching(ports, budget));
        // Two callers, one search.
        let (first, second) = tokio::join!(external.discover(true), external.discover(true));
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        println!("seven addresses, two ports: {:?}", first.took);
        let [find] = first.finds.as_slice() else {
            panic!("{:?}", first.finds)
        };
        assert_eq!(find.url, format!("rtsp://127.0.0.3:{port}/live"));
        assert_eq!((find.media.codec, find.view), ("h265", View::Unknown));
        assert_eq!(first.errors.len(), 1, "{:?}", first.errors);
        assert!(first.errors[0].contains("/locked wants a user name"));
        let before = connections.load(Ordering::Relaxed);
        assert!(Arc::ptr_eq(
            &first,
            &external.discover(false).await.unwrap()
        ));
        assert_eq!(
            connections.load(Ordering::Relaxed),
            before,
            "a fresh result was there"
        );
        assert!(!Arc::ptr_eq(
            &first,
            &external.discover(true).await.unwrap()
        ));
        assert!(connections.load(Ordering::Relaxed) > before);
    }

    #[tokio::test]
    async fn a_list_that_cannot_be_read_at_all_does_not_stop_the_service_either() {
        let dir = Dir::new("unreadable");
        fs::create_dir(file(&dir.0)).unwrap();
        let external = load(&dir, &Arc::new(Wishes::default()), Settings::default());
        assert!(external.list().is_empty());
        external
            .add("drone", url("rtsp://h/x"), Kind::Generic, clock::wall())
            .await
            .unwrap()
            .unwrap();
    }

    #[tokio::test]
    async fn an_interval_set_while_it_runs_is_kept_at_once() {
        let dir = Dir::new("interval");
        let port = camera("127.0.0.2:0", Arc::default()).await;
        let settings = searching(vec![port], Duration::from_secs(10));
        let external = load(&dir, &Arc::new(Wishes::default()), settings);
        let (stop, stopping) = watch::channel(false);
        let looking = tokio::spawn(external.clone().look(stopping));
        external.set_interval(Duration::from_millis(1));
        let found = async {
            while external.finds().is_empty() {
                sleep(Duration::from_millis(20)).await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(20), found).await;
        assert!(found.is_ok(), "nobody searched");
        stop.send(true).unwrap();
        looking.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_scan_ends_with_its_budget_whoever_keeps_silent() {
        let dir = Dir::new("budget");
        let mut listeners = Vec::new();
        let first = mute("127.0.0.1:0").await;
        let port = first.local_addr().unwrap().port();
        listeners.push(first);
        for host in 2..7 {
            listeners.push(mute(&format!("127.0.0.{host}:{port}")).await);
        }
        let mut settings = searching(vec![port], Duration::from_millis(300));
        settings.concurrent = 1;
        let external = load(&dir, &Arc::new(Wishes::default()), settings);
        let begun = clock::mono();
        let scan = external.discover(false).await.unwrap();
        let took = clock::mono().since(begun);
        assert!(took < Duration::from_secs(2), "{took:?}");
        assert!(
            scan.finds.is_empty() && scan.errors[0].contains("of 6 addresses"),
            "{:?}",
            scan.errors
        );
    }
}
