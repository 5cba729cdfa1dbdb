//! Asks as fast as answers come, or holds many sockets still; prints one line of JSON.
//!
//! The clocks and the CPU account are read in here, in the same moment as the counters, so that a rate and the
//! server's CPU per answer belong to the same answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use control_bench::client::{Client, frame};
use control_bench::process::{cpu_nanos, raise_descriptors, resident};
use serde_json::{Value, json};
use tokio::sync::{Barrier, Semaphore, mpsc};

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
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// One request after another on every connection
    Ask { request: String },
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
}

fn has(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|w| w == word)
}

/// An answer or an echo, and no notification: those have no id.
fn is_answer(text: &[u8]) -> bool {
    has(text, b"\"id\":")
}

fn percentile(sorted: &[u32], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = ((sorted.len() as f64) * share) as usize;
    sorted
        .get(at.min(last))
        .map_or(0.0, |micros| f64::from(*micros) / 1000.0)
}

fn times(mut micros: Vec<u32>) -> Value {
    micros.sort_unstable();
    json!({
        "p50_ms": percentile(&micros, 0.5), "p99_ms": percentile(&micros, 0.99),
        "max_ms": percentile(&micros, 1.0), "samples": micros.len(),
    })
}

fn micros(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX)
}

async fn open(cli: &Cli, room: usize) -> std::io::Result<Client> {
    let mut client = Client::open(&cli.target, &cli.path, room).await?;
    for text in &cli.first {
        client.send(&frame(text)).await?;
        client.text(is_answer).await?;
    }
    Ok(client)
}

async fn open_all(cli: &Arc<Cli>, room: usize) -> std::io::Result<(Vec<Client>, Duration)> {
    let (begin, gate) = (Instant::now(), Arc::new(Semaphore::new(OPENING)));
    let opening: Vec<_> = (0..cli.connections)
        .map(|_| {
            let (cli, gate) = (Arc::clone(cli), Arc::clone(&gate));
            tokio::spawn(async move {
                let _permit = gate.acquire().await;
                open(&cli, room).await
            })
        })
        .collect();
    let mut clients = Vec::with_capacity(cli.connections);
    for one in opening {
        clients.push(one.await.map_err(std::io::Error::other)??);
    }
    Ok((clients, begin.elapsed()))
}

async fn ask(cli: &Arc<Cli>, request: &str) -> std::io::Result<Value> {
    let (clients, _) = open_all(cli, 4096).await?;
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
                        took.push(micros(begin));
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

async fn hold(
    cli: &Arc<Cli>,
    trigger: Option<&str>,
    heard: &str,
    rounds: usize,
) -> std::io::Result<Value> {
    let before = resident(cli.pid);
    let (clients, took) = open_all(cli, 512).await?;
    let after = resident(cli.pid);
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
    let word: Arc<[u8]> = format!("\"method\":\"{heard}\"").into_bytes().into();
    let (sender, mut arrivals) = mpsc::unbounded_channel();
    let ready = Arc::new(Barrier::new(clients.len() + 1));
    for mut client in clients {
        let (word, sender, ready) = (Arc::clone(&word), sender.clone(), Arc::clone(&ready));
        tokio::spawn(async move {
            ready.wait().await;
            while client.text(|text| has(text, &word)).await.is_ok() {
                if sender.send(Instant::now()).is_err() {
                    break;
                }
            }
        });
    }
    ready.wait().await;
    let mut caller = open(cli, 4096).await?;
    let (mut spread, mut lost) = (Vec::new(), 0);
    for _ in 0..rounds {
        caller.send(&frame(trigger)).await?;
        caller.text(is_answer).await?;
        // Told from the first arrival: what the method itself takes is not the matter here.
        let mut first = None;
        let mut count = 0;
        while count < cli.connections {
            match tokio::time::timeout(Duration::from_secs(10), arrivals.recv()).await {
                Ok(Some(at)) => {
                    let first = *first.get_or_insert(at);
                    spread.push(
                        u32::try_from(at.saturating_duration_since(first).as_micros())
                            .unwrap_or(u32::MAX),
                    );
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
    result["event_lost"] = lost.into();
    Ok(result)
}

/// Comes back whenever it is thrown out: that is what a flood does.
async fn misbehave(cli: &Cli, manner: Manner, until: Instant, thrown_out: &AtomicU64) {
    let garbage = frame(&"{]".repeat(200));
    let request = frame(r#"{"jsonrpc":"2.0","id":1,"method":"get_camera_list"}"#);
    // The head of a text frame of 1,000,000 bytes.
    let long = [0x81, 0xff, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 0, 0, 0, 0];
    while Instant::now() < until {
        if let Ok(mut client) = Client::open(&cli.target, &cli.path, 4096).await {
            let mut sent = matches!(manner, Manner::Trickle).then_some(&long[..]);
            while Instant::now() < until {
                let bytes = sent.take().unwrap_or(match manner {
                    Manner::Garbage => &garbage,
                    Manner::NeverRead => &request,
                    Manner::Trickle => b" ",
                });
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
                        Manner::Trickle => tokio::time::sleep(Duration::from_millis(20)).await,
                    },
                }
            }
        }
        thrown_out.fetch_add(1, Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn flood(cli: &Arc<Cli>, manner: Manner) -> Value {
    let until = Instant::now() + Duration::from_secs_f64(cli.seconds);
    let thrown_out = Arc::new(AtomicU64::new(0));
    let running: Vec<_> = (0..cli.connections)
        .map(|_| {
            let (cli, thrown_out) = (Arc::clone(cli), Arc::clone(&thrown_out));
            tokio::spawn(async move { misbehave(&cli, manner, until, &thrown_out).await })
        })
        .collect();
    let mut most = 0;
    while Instant::now() < until {
        most = most.max(resident(cli.pid));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for one in running {
        one.abort();
    }
    json!({ "connections": cli.connections, "rss_most": most, "thrown_out": thrown_out.load(Relaxed) })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    raise_descriptors();
    let cli = Arc::new(Cli::parse());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        match &cli.what {
            What::Ask { request } => ask(&cli, request).await,
            What::Hold {
                trigger,
                heard,
                times,
            } => hold(&cli, trigger.as_deref(), heard, *times).await,
            What::Flood { manner } => Ok(flood(&cli, *manner).await),
        }
    })?;
    println!("{result}");
    Ok(())
}
