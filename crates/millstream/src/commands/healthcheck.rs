//! `millstream healthcheck`: in front of a worker as kafka-connect-healthcheck, or one question for a container's check.

use super::CommandResult;
use crate::cli::HealthcheckArgs;
use crate::shutdown;
use millstream_worker::health::{Sidecar, SidecarServer, Upstream};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::Builder;

/// Where Connect listens if nobody says otherwise.
const CONNECT_URL: &str = "http://localhost:8083";

/// For the one question to a port of this machine. Containers are asked again after seconds.
const ONCE_TIMEOUT: Duration = Duration::from_secs(5);

/// Of the answer, for what is shown of it.
const LONGEST_ANSWER: usize = 64 << 10;

/// Runs without the runtime for data, and the one question without any, so that it costs a container next to nothing.
pub(super) fn run(args: HealthcheckArgs) -> CommandResult {
    let asks_port = args.once.as_deref().filter(|_| args.upstream().is_none());
    if let Some(path) = asks_port {
        return Ok(ask_port(&args, path)?);
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let sidecar = Sidecar {
            upstream: upstream(&args),
            policy: args.policy(),
        };
        match args.once {
            Some(_) => ask_worker(&sidecar).await,
            None => serve(&args, sidecar).await,
        }
    })
}

fn upstream(args: &HealthcheckArgs) -> Upstream {
    let authorities = args.ca_file.as_ref().map(|file| file.display().to_string());
    let url = args.upstream().unwrap_or(CONNECT_URL);
    Upstream::new(url, &args.credentials(), authorities.as_deref())
}

async fn serve(args: &HealthcheckArgs, sidecar: Sidecar) -> CommandResult {
    let stop = shutdown::on_signal()?;
    let host = match args.port.host.as_str() {
        "" => "0.0.0.0",
        host => host,
    };
    let port = args.port.port;
    let bound = TcpListener::bind((host, port)).await;
    let listener = bound.map_err(|error| {
        format!("cannot listen at port {port}: {error}; set HEALTHCHECK_PORT (--port)")
    })?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "healthcheck server is ready");
    SidecarServer::new(sidecar).serve(listener, stop).await;
    Ok(())
}

async fn ask_worker(sidecar: &Sidecar) -> CommandResult {
    let verdict = sidecar.upstream.check(&sidecar.policy).await;
    match verdict.is_healthy {
        true => Ok(()),
        false => Err(format!("the worker is not healthy: {}", verdict.remarks.join("; ")).into()),
    }
}

/// Asks the health port of a worker on this machine.
fn ask_port(args: &HealthcheckArgs, path: &str) -> Result<(), String> {
    let host = match args.port.host.as_str() {
        "" | "0.0.0.0" | "::" => "127.0.0.1",
        host => host,
    };
    let port = args.port.port;
    if !path.starts_with('/') || path.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(format!(
            "--once={path} is no path; there are /live, /ready, /ping and /"
        ));
    }
    let answer = get(host, port, path);
    let answer =
        answer.map_err(|error| format!("no health port answers at {host}:{port}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    match head.split(' ').nth(1) {
        Some("200") => Ok(()),
        Some(status) => Err(format!(
            "{path} of the health port is answered with {status}: {body}"
        )),
        None => Err(format!("what answers at {host}:{port} is no health port")),
    }
}

fn get(host: &str, port: u16, path: &str) -> io::Result<String> {
    let end = Instant::now() + ONCE_TIMEOUT;
    let mut places = (host, port).to_socket_addrs()?;
    let place = places.next().ok_or(io::ErrorKind::NotFound)?;
    let mut stream = TcpStream::connect_timeout(&place, ONCE_TIMEOUT)?;
    stream.set_write_timeout(Some(ONCE_TIMEOUT))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while answer.len() < LONGEST_ANSWER {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part)? {
            0 => break,
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
