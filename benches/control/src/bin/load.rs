//! Asks as fast as answers come or at a fixed rate, holds many sockets still, misbehaves; prints one line of JSON.
//!
//! The clocks and the CPU account are read in here, in the same moment as the counters, so that a rate and the
//! server's CPU per answer belong to the same answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use control_bench::client::{Client, frame, source};
use control_bench::figures::times;
use control_bench::http;
use control_bench::process::{cpu_nanos, raise_descriptors, resident};
use control_bench::slots::{Slots, counts_from};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

/// Connections being opened at one moment.
const OPENING: usize = 200;

#[derive(Parser)]
struct Cli {
    /// host:port
    #[arg(long)]
    target: String,
    #[arg(long, default_value = "/ws")]
    path: String,
    /// The server's process
    #[arg(long)]
    pid: u32,
    #[arg(long, default_value_t = 50)]
    connections: usize,
    /// Sent once on every connection, each answered before the next
    #[arg(long)]
    first: Vec<String>,
    /// A file whose lines are dealt to the connections and sent before `first`: a login for each
    #[arg(long)]
    logins: Option<PathBuf>,
    /// Loopback addresses 127.0.1.1 … to connect from; 0: the system's choice
    #[arg(long, default_value_t = 0)]
    sources: usize,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// One request after another on every connection
    Ask { request: String },
    /// The requests in turn, so many a second on every connection, whether answers come or not
    Pace {
        requests: Vec<String>,
        #[arg(long)]
        rate: f64,
        /// Seconds from when all are connected to the first request
        #[arg(long, default_value_t = 0.5)]
        after: f64,
    },
    /// One request, once; prints its answer
    Call { request: String },
    /// HTTP requests, each on a connection of its own, so many a second in all
    Http {
        /// {id} in it becomes a UUID, another one each time
        #[arg(long)]
        body: Option<String>,
        #[arg(long)]
        rate: f64,
    },
    /// Nothing, and then `trigger` on one connection, which all others must hear of
    Hold {
        #[arg(long)]
        trigger: Option<String>,
        /// The notification's method
        #[arg(long, default_value = "snapshot.taken")]
        heard: String,
        #[arg(long, default_value_t = 5)]
        times: usize,
    },
    /// Misbehaves on every connection for as long as told
    Flood {
        #[arg(value_enum)]
        manner: Manner,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Manner {
    /// Text that is no JSON, as fast as it goes
    Garbage,
    /// Requests, and never a look at the answers
    NeverRead,
    /// A message of a megabyte, byte by byte
    Trickle,
    /// All of a message of a megabyte but its end, and the rest byte by byte
    Hoard,
}

fn has(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|w| w == word)
}

/// An answer or an echo, and no notification: those have no id.
fn is_answer(text: &[u8]) -> bool {
    has(text, b"\"id\":")
}

fn whole_micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}

/// What was told on the command line, and the logins that were read.
struct Told {
    cli: Cli,
    logins: Vec<String>,
}

async fn open(told: &Told, nth: usize, room: usize) -> std::io::Result<Client> {
    let cli = &told.cli;
    let from = source(nth, cli.sources);
    let mut client = Client::open(&cli.target, &cli.path, room, from).await?;
    let login = told.logins.get(nth % told.logins.len().max(1));
    for text in login.into_iter().chain(&cli.first) {
        client.send(&frame(text)).await?;
        let answer = client.text(is_answer).await?;
        if has(answer, b"\"error\":") {
            let answer = String::from_utf8_lossy(answer).into_owned();
            return Err(std::io::Error::other(answer));
        }
    }
    Ok(client)
}

async fn open_all(told: &Arc<Told>, room: usize) -> std::io::Result<(Vec<Client>, Duration)> {
    let (begin, gate) = (Instant::now(), Arc::new(Semaphore::new(OPENING)));
    let opening: Vec<_> = (0..told.cli.connections)
        .map(|nth| {
            let (told, gate) = (Arc::clone(told), Arc::clone(&gate));
            tokio::spawn(async move {
                let _permit = gate.acquire().await;
                open(&told, nth, room).await
            })
        })
        .collect();
    let mut clients = Vec::with_capacity(told.cli.connections);
    for one in opening {
        clients.push(one.await.map_err(std::io::Error::other)??);
    }
    Ok((clients, begin.elapsed()))
}

async fn ask(told: &Arc<Told>, request: &str) -> std::io::Result<Value> {
    let cli = &told.cli;
    let (clients, _) = open_all(told, 4096).await?;
    let request = Arc::new(frame(request));
    let (counting, stop, answers) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let running: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let (request, counting, stop, answers) = (
                Arc::clone(&request),
                Arc::clone(&counting),
                Arc::clone(&stop),
                Arc::clone(&answers),
            );
            tokio::spawn(async move {
                let mut took = Vec::new();
                while !stop.load(Relaxed) {
                    let begin = Instant::now();
                    client.send(&request).await?;
                    client.text(is_answer).await?;
                    if counting.load(Relaxed) {
                        answers.fetch_add(1, Relaxed);
                        took.push(whole_micros(begin.elapsed()));
                    }
                }
                Ok::<_, std::io::Error>(took)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs_f64(cli.seconds / 4.0)).await;
    counting.store(true, Relaxed);
    let (begin, server, own) = (
        Instant::now(),
        cpu_nanos(cli.pid),
        cpu_nanos(std::process::id()),
    );
    tokio::time::sleep(Duration::from_secs_f64(cli.seconds)).await;
    counting.store(false, Relaxed);
    let (lasted, server, own) = (
        begin.elapsed(),
        cpu_nanos(cli.pid) - server,
        cpu_nanos(std::process::id()) - own,
    );
    let count = answers.load(Relaxed);
    stop.store(true, Relaxed);
    let mut all = Vec::new();
    for one in running {
        all.extend(one.await.map_err(std::io::Error::other)??);
    }
    let each = |nanos: u64| nanos as f64 / 1000.0 / count.max(1) as f64;
    Ok(json!({
        "connections": cli.connections, "answers": count, "per_s": count as f64 / lasted.as_secs_f64(),
        "server_us": each(server), "generator_us": each(own), "latency": times(all),
    }))
}

/// What one client of an open loop saw.
#[derive(Default)]
struct Seen {
    /// Microseconds from when each question counts to its answer.
    took: Vec<u32>,
    /// Microseconds by which this program itself asked too late.
    late: Vec<u32>,
    refused: u64,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.late.extend(other.late);
        self.refused += other.refused;
    }
}

/// The answer of an open loop: what was wanted, what came, and how punctual this program was.
fn paced(seen: Seen, wanted: f64, lasted: Duration, server: u64, own: u64) -> Value {
    let (count, seconds) = (seen.took.len().max(1) as f64, lasted.as_secs_f64());
    json!({
        "wanted_per_s": wanted, "per_s": seen.took.len() as f64 / seconds, "refused": seen.refused,
        "server_us": server as f64 / 1000.0 / count, "server_cores": server as f64 / 1e9 / seconds,
        "generator_us": own as f64 / 1000.0 / count, "generator_cores": own as f64 / 1e9 / seconds,
        "latency": times(seen.took), "generator_late": times(seen.late),
    })
}

async fn pace(
    told: &Arc<Told>,
    requests: &[String],
    rate: f64,
    after: f64,
) -> std::io::Result<Value> {
    let all = told.cli.connections;
    let (clients, _) = open_all(told, 4096).await?;
    let requests: Arc<[Vec<u8>]> = requests.iter().map(|text| frame(text)).collect();
    let begin = Instant::now() + Duration::from_secs_f64(after);
    let until = Duration::from_secs_f64(told.cli.seconds);
    let running: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(nth, mut client)| {
            let requests = Arc::clone(&requests);
            tokio::spawn(async move {
                let (mut slots, mut seen, mut free) =
                    (Slots::new(nth, all, rate), Seen::default(), Duration::ZERO);
                for request in requests.iter().cycle() {
                    let slot = slots.advance();
                    if slot >= until {
                        break;
                    }
                    tokio::time::sleep_until((begin + slot).into()).await;
                    let asked = begin.elapsed();
                    client.send(request).await?;
                    let answer = client.text(is_answer).await?;
                    seen.refused += u64::from(has(answer, b"\"error\":"));
                    let from = counts_from(slot, free, asked);
                    free = begin.elapsed();
                    if asked == from {
                        seen.late.push(whole_micros(asked.saturating_sub(slot)));
                    }
                    seen.took.push(whole_micros(free.saturating_sub(from)));
                    // What could not be asked in time is left out, and the rate says so.
                    if free >= until {
                        break;
                    }
                }
                Ok::<_, std::io::Error>(seen)
            })
        })
        .collect();
    tokio::time::sleep_until(begin.into()).await;
    let (server, own) = (cpu_nanos(told.cli.pid), cpu_nanos(std::process::id()));
    tokio::time::sleep_until((begin + until).into()).await;
    let (server, own) = (
        cpu_nanos(told.cli.pid) - server,
        cpu_nanos(std::process::id()) - own,
    );
    let lasted = begin.elapsed();
    let mut seen = Seen::default();
    for one in running {
        seen.add(one.await.map_err(std::io::Error::other)??);
    }
    Ok(paced(seen, rate * all as f64, lasted, server, own))
}

async fn call(told: &Told, request: &str) -> std::io::Result<Value> {
    let mut client = open(told, 0, 4096).await?;
    client.send(&frame(request)).await?;
    serde_json::from_slice(client.text(is_answer).await?).map_err(std::io::Error::other)
}

/// How long an HTTP answer may take before it counts as none.
const HTTP_PATIENCE: Duration = Duration::from_secs(10);

async fn ask_by_http(told: &Arc<Told>, body: Option<&str>, rate: f64) -> std::io::Result<Value> {
    let until = Duration::from_secs_f64(told.cli.seconds);
    let (server, own) = (cpu_nanos(told.cli.pid), cpu_nanos(std::process::id()));
    let (begin, mut slots) = (Instant::now(), Slots::new(0, 1, rate));
    let (mut asking, mut seen, mut nth) = (Vec::new(), Seen::default(), 0_u64);
    loop {
        let slot = slots.advance();
        if slot >= until {
            break;
        }
        nth += 1;
        tokio::time::sleep_until((begin + slot).into()).await;
        let asked = begin.elapsed();
        seen.late.push(whole_micros(asked.saturating_sub(slot)));
        let body = body.map(|b| b.replace("{id}", &format!("00000000-0000-4000-8000-{nth:012x}")));
        let request = http::request(&told.cli.target, &told.cli.path, body.as_deref());
        let told = Arc::clone(told);
        asking.push(tokio::spawn(async move {
            let answer = http::exchange(&told.cli.target, &request);
            let status = match tokio::time::timeout(HTTP_PATIENCE, answer).await {
                Ok(Ok(status)) => status,
                Ok(Err(_)) | Err(_) => 0,
            };
            (status, whole_micros(begin.elapsed().saturating_sub(asked)))
        }));
    }
    let lasted = begin.elapsed();
    let (server, own) = (
        cpu_nanos(told.cli.pid) - server,
        cpu_nanos(std::process::id()) - own,
    );
    let mut statuses = BTreeMap::<String, u64>::new();
    for one in asking {
        let (status, took) = one.await.map_err(std::io::Error::other)?;
        *statuses.entry(status.to_string()).or_default() += 1;
        seen.took.push(took);
    }
    let mut result = paced(seen, rate, lasted, server, own);
    result["statuses"] = json!(statuses);
    Ok(result)
}

async fn hold(
    told: &Arc<Told>,
    trigger: Option<&str>,
    heard: &str,
    rounds: usize,
) -> std::io::Result<Value> {
    let cli = &told.cli;
    let before = resident(cli.pid);
    let (clients, took) = open_all(told, 512).await?;
    let after = resident(cli.pid);
    let word: Arc<[u8]> = format!("\"method\":\"{heard}\"").into_bytes().into();
    let (sender, mut arrivals) = mpsc::unbounded_channel();
    // Everybody reads from now on: who does not answer the server's pings is cut.
    for mut client in clients {
        let (word, sender) = (Arc::clone(&word), sender.clone());
        tokio::spawn(async move {
            while client.text(|text| has(text, &word)).await.is_ok() {
                if sender.send(Instant::now()).is_err() {
                    break;
                }
            }
        });
    }
    // What connecting left behind is done.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let cpu = cpu_nanos(cli.pid);
    tokio::time::sleep(Duration::from_secs_f64(cli.seconds)).await;
    let idle = (cpu_nanos(cli.pid) - cpu) as f64 / 1e9 / cli.seconds;
    let mut result = json!({
        "connections": cli.connections, "connects_per_s": cli.connections as f64 / took.as_secs_f64(),
        "rss_before": before, "rss_after": after, "rss_idle": resident(cli.pid),
        "bytes_per_connection": after.saturating_sub(before) / cli.connections.max(1) as u64,
        "idle_cores": idle,
    });
    let Some(trigger) = trigger else {
        return Ok(result);
    };
    let mut caller = open(told, 0, 4096).await?;
    let (mut spread, mut whole, mut lost) = (Vec::new(), Vec::new(), 0);
    for _ in 0..rounds {
        let called = Instant::now();
        caller.send(&frame(trigger)).await?;
        caller.text(is_answer).await?;
        // Told from the first arrival, which is the event's own spread, and from the call, which has all of the
        // method in it and so bounds the event from above.
        let mut first = None;
        let mut count = 0;
        while count < cli.connections {
            match tokio::time::timeout(Duration::from_secs(10), arrivals.recv()).await {
                Ok(Some(at)) => {
                    let first = *first.get_or_insert(at);
                    spread.push(whole_micros(at.saturating_duration_since(first)));
                    whole.push(whole_micros(at.saturating_duration_since(called)));
                    count += 1;
                }
                _ => {
                    lost += cli.connections - count;
                    break;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    result["event"] = times(spread);
    result["event_from_call"] = times(whole);
    result["event_lost"] = lost.into();
    Ok(result)
}

/// What a flood is made of.
struct Stuff {
    garbage: Vec<u8>,
    request: Vec<u8>,
    /// The head of a text frame of 1,000,000 bytes.
    head: Vec<u8>,
    /// The same with all but its last thousand bytes.
    most: Vec<u8>,
}

impl Stuff {
    fn new() -> Self {
        let head = vec![0x81, 0xff, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 0, 0, 0, 0];
        let most = [head.clone(), vec![b' '; 999_000]].concat();
        Self {
            garbage: frame(&"{]".repeat(200)),
            request: frame(r#"{"jsonrpc":"2.0","id":1,"method":"get_camera_list"}"#),
            head,
            most,
        }
    }
}

/// Comes back whenever it is thrown out: that is what a flood does.
async fn misbehave(
    told: &Told,
    nth: usize,
    manner: Manner,
    until: Instant,
    stuff: &Stuff,
    thrown_out: &AtomicU64,
) {
    while Instant::now() < until {
        if let Ok(mut client) = open(told, nth, 4096).await {
            let mut sent = match manner {
                Manner::Trickle => Some(&stuff.head),
                Manner::Hoard => Some(&stuff.most),
                Manner::Garbage | Manner::NeverRead => None,
            };
            while Instant::now() < until {
                let bytes: &[u8] = match (sent.take(), manner) {
                    (Some(first), _) => first,
                    (None, Manner::Garbage) => &stuff.garbage,
                    (None, Manner::NeverRead) => &stuff.request,
                    (None, Manner::Trickle | Manner::Hoard) => b" ",
                };
                let wrote = tokio::time::timeout(Duration::from_secs(1), client.send(bytes)).await;
                match wrote {
                    Ok(Err(_)) => break,
                    // Blocked: the server takes nothing more, which is its right.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                    Ok(Ok(())) => match manner {
                        Manner::Garbage => {
                            let read = client.text(is_answer);
                            match tokio::time::timeout(Duration::from_secs(1), read).await {
                                Ok(Err(_)) => break,
                                _ => tokio::task::yield_now().await,
                            }
                        }
                        Manner::NeverRead => tokio::task::yield_now().await,
                        Manner::Trickle | Manner::Hoard => {
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    },
                }
            }
        }
        if Instant::now() < until {
            thrown_out.fetch_add(1, Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn flood(told: &Arc<Told>, manner: Manner) -> Value {
    let until = Instant::now() + Duration::from_secs_f64(told.cli.seconds);
    let (stuff, thrown_out) = (Arc::new(Stuff::new()), Arc::new(AtomicU64::new(0)));
    let server = cpu_nanos(told.cli.pid);
    let running: Vec<_> = (0..told.cli.connections)
        .map(|nth| {
            let (told, stuff, thrown_out) = (
                Arc::clone(told),
                Arc::clone(&stuff),
                Arc::clone(&thrown_out),
            );
            tokio::spawn(
                async move { misbehave(&told, nth, manner, until, &stuff, &thrown_out).await },
            )
        })
        .collect();
    let mut most = 0;
    while Instant::now() < until {
        most = most.max(resident(told.cli.pid));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for one in running {
        one.abort();
    }
    json!({
        "connections": told.cli.connections, "rss_most": most, "thrown_out": thrown_out.load(Relaxed),
        "server_cores": (cpu_nanos(told.cli.pid) - server) as f64 / 1e9 / told.cli.seconds,
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    raise_descriptors();
    let cli = Cli::parse();
    let logins = match &cli.logins {
        Some(file) => std::fs::read_to_string(file)?
            .lines()
            .map(str::to_owned)
            .collect(),
        None => Vec::new(),
    };
    let told = Arc::new(Told { cli, logins });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        // Answers are read in the order they come in, lest this program's own queues be measured.
        .max_io_events_per_tick(64)
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        match &told.cli.what {
            What::Ask { request } => ask(&told, request).await,
            What::Pace {
                requests,
                rate,
                after,
            } => pace(&told, requests, *rate, *after).await,
            What::Call { request } => call(&told, request).await,
            What::Http { body, rate } => ask_by_http(&told, body.as_deref(), *rate).await,
            What::Hold {
                trigger,
                heard,
                times,
            } => hold(&told, trigger.as_deref(), heard, *times).await,
            What::Flood { manner } => Ok(flood(&told, *manner).await),
        }
    })?;
    println!("{result}");
    Ok(())
}
