//! The programs that are compared, and the one behind them, as children of this one.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use sluicegate_simulate::{Options, Simulator};

use crate::{Outcome, usage};

/// The key that callers send. The relay checks it; nginx passes it on.
pub(crate) const CLIENT_KEY: &str = "sk-sg-bench-0123456789abcdef0123456789abcdef";

/// What listens, before it is stopped by being dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
    /// Where buffered calls go.
    pub(crate) buffered: SocketAddr,
    /// Where streams go. nginx buffers answers unless told not to, and the two settings want two ports.
    pub(crate) streamed: SocketAddr,
}

impl Server {
    /// The process and its children.
    pub(crate) fn pids(&self) -> Vec<u32> {
        usage::family(self.child.id())
    }

    /// The process itself.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit code as text, if it has ended.
    pub(crate) fn ended(&mut self) -> Outcome<Option<String>> {
        Ok(self.child.try_wait()?.map(|status| status.to_string()))
    }

    /// What it has printed.
    pub(crate) fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The simulated provider in a process of its own.
pub(crate) fn upstream(folder: &Path) -> Outcome<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("upstream");
    saying_where("upstream", &mut command, folder)
}

/// Runs the simulated provider in this process until it is killed.
pub(crate) fn be_the_upstream() -> Outcome<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    crate::report::line(&format!("listening on http://{}", listener.local_addr()?));
    let options = Options { label: false, strict: false, answer_tokens: Some(30), ..Options::default() };
    let simulator = Simulator::new(options);
    runtime.block_on(async { simulator.serve(listener, std::future::pending()).await })?;
    Ok(ExitCode::SUCCESS)
}

/// nginx as a plain proxy that keeps its connections, with or without an access log.
pub(crate) fn nginx(upstream: SocketAddr, folder: &Path, access_log: bool) -> Outcome<Server> {
    let name = if access_log { "nginx-logged" } else { "nginx" };
    let prefix = folder.join(name);
    fs::create_dir_all(&prefix)?;
    let (buffered, streamed) = (free_port()?, free_port()?);
    let log = if access_log { "access.log combined" } else { "off" };
    let prefix_text = prefix.display();
    fs::write(
        prefix.join("nginx.conf"),
        format!(
            "daemon off;
worker_processes auto;
worker_rlimit_nofile 65536;
pid {prefix_text}/nginx.pid;
error_log {prefix_text}/error.log warn;
events {{ worker_connections 20000; }}
http {{
  access_log {log};
  keepalive_requests 1000000000;
  client_body_temp_path {prefix_text}/body;
  proxy_temp_path {prefix_text}/proxy;
  fastcgi_temp_path {prefix_text}/fastcgi;
  uwsgi_temp_path {prefix_text}/uwsgi;
  scgi_temp_path {prefix_text}/scgi;
  proxy_http_version 1.1;
  proxy_set_header Connection \"\";
  upstream provider {{ server {upstream}; keepalive 4096; keepalive_requests 1000000000; }}
  server {{ listen {buffered} backlog=8192; location / {{ proxy_pass http://provider; }} }}
  server {{ listen {streamed} backlog=8192; location / {{ proxy_pass http://provider; proxy_buffering off; }} }}
}}
"
        ),
    )?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&prefix).arg("-c").arg("nginx.conf").arg("-e").arg("error.log");
    let (child, log) = spawn(name, &mut command, folder)?;
    let mut server = Server { child, log, buffered, streamed };
    wait_for(&mut server)?;
    Ok(server)
}

/// The relay as it is meant to be run: clients' keys are checked, the name of the model is exchanged, metrics are
/// counted and every call is written to the request log.
pub(crate) fn relay(binary: &Path, upstream: SocketAddr, folder: &Path) -> Outcome<Server> {
    let config = format!(
        "version: 1
server: {{ listen: \"127.0.0.1:0\", request_log: requests.log, data_dir: data }}
providers:
  simulator: {{ kind: openai_compatible, base_url: \"http://{upstream}/v1\" }}
models:
  bench: {{ to: simulator/gpt-4.1-mini }}
keys:
  - {{ name: bench, value_env: BENCH_KEY }}
"
    );
    relay_with(binary, &config, &[("BENCH_KEY".to_owned(), CLIENT_KEY.to_owned())], folder)
}

/// The relay with all that it can do for a call that needs none of it: limits at every scope, prices, books with a budget,
/// and the rest. The cache stays off, since the load asks the same thing again and again.
pub(crate) fn relay_with_everything(binary: &Path, upstream: SocketAddr, folder: &Path) -> Outcome<Server> {
    let limits = "rpm: 100000000, tpm: 1000000000000, concurrency: 100000";
    let config = format!(
        "version: 1
server: {{ listen: \"127.0.0.1:0\", request_log: requests.log, data_dir: data }}
rate_limits: {{ global: {{ requests_per_minute: 100000000, tokens_per_minute: 1000000000000, concurrency: 100000 }} }}
providers:
  simulator:
    {{ kind: openai_compatible, base_url: \"http://{upstream}/v1\", limits: {{ rpm: 100000000, tpm: 1000000000000 }}, max_concurrency: 100000 }}
models:
  bench: {{ to: simulator/gpt-4.1-mini, limits: {{ {limits} }} }}
keys:
  - {{ name: bench, value_env: BENCH_KEY, limits: {{ {limits} }}, budget: {{ usd: 1000000, per: day }} }}
prices: {{ models: {{ simulator/gpt-4.1-mini: {{ input: 0.4, output: 1.6 }} }} }}
ledger: {{}}
"
    );
    relay_with(binary, &config, &[("BENCH_KEY".to_owned(), CLIENT_KEY.to_owned())], &folder.join("everything"))
}

/// The relay that gives the same answer to the same call from its cache.
pub(crate) fn relay_with_cache(binary: &Path, upstream: SocketAddr, folder: &Path) -> Outcome<Server> {
    let config = format!(
        "version: 1
server: {{ listen: \"127.0.0.1:0\", request_log: requests.log, data_dir: data }}
providers:
  simulator: {{ kind: openai_compatible, base_url: \"http://{upstream}/v1\" }}
models:
  bench: {{ to: simulator/gpt-4.1-mini }}
keys:
  - {{ name: bench, value_env: BENCH_KEY }}
cache: {{ exact: {{ ttl: 1h, only_when: always }} }}
"
    );
    relay_with(binary, &config, &[("BENCH_KEY".to_owned(), CLIENT_KEY.to_owned())], &folder.join("cached"))
}

/// The model whose provider fails by order. It is left alone never, so that all of its failures are met.
pub(crate) const FAULTY: &str = "faulty";

/// The relay with the same server behind it twice: once as a provider that fails by order, and once as one that does not, of
/// which every call has to be answered whatever the other does.
pub(crate) fn relay_beside_failures(binary: &Path, upstream: SocketAddr, folder: &Path) -> Outcome<Server> {
    let config = format!(
        "version: 1
server: {{ listen: \"127.0.0.1:0\", request_log: requests.log, data_dir: data }}
providers:
  simulator: {{ kind: openai_compatible, base_url: \"http://{upstream}/v1\" }}
  failing: {{ kind: openai_compatible, base_url: \"http://{upstream}/v1\", breaker: disabled }}
models:
  bench: {{ to: simulator/gpt-4.1-mini }}
  {FAULTY}: {{ to: failing/gpt-4.1-mini }}
keys:
  - {{ name: bench, value_env: BENCH_KEY }}
"
    );
    relay_with(binary, &config, &[("BENCH_KEY".to_owned(), CLIENT_KEY.to_owned())], folder)
}

/// The relay with this configuration and these variables in its environment. It lives in `relay` under the folder.
pub(crate) fn relay_with(
    binary: &Path,
    config: &str,
    variables: &[(String, String)],
    folder: &Path,
) -> Outcome<Server> {
    relay_by(Command::new(found(binary)?), config, variables, folder)
}

/// The same under callgrind, which counts its instructions and writes them, when told to, beside the configuration: a file
/// `callgrind.out.N-THREAD` for each thread of dump N.
pub(crate) fn relay_counted(
    binary: &Path,
    config: &str,
    variables: &[(String, String)],
    folder: &Path,
) -> Outcome<Server> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--separate-threads=yes", "--callgrind-out-file=callgrind.out"]);
    command.arg(found(binary)?);
    relay_by(command, config, variables, folder)
}

fn found(binary: &Path) -> Outcome<PathBuf> {
    Ok(fs::canonicalize(binary).map_err(|error| format!("{}: {error}", binary.display()))?)
}

fn relay_by(mut command: Command, config: &str, variables: &[(String, String)], folder: &Path) -> Outcome<Server> {
    let folder = folder.join("relay");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("sluicegate.yaml"), config)?;
    command.args(["serve", "--config", "sluicegate.yaml"]).envs(variables.iter().map(|(name, value)| (name, value)));
    let mut server = saying_where("relay", &mut command, &folder)?;
    wait_for(&mut server)?;
    Ok(server)
}

/// Starts a program that says where it listens.
fn saying_where(name: &str, command: &mut Command, folder: &Path) -> Outcome<Server> {
    const MARK: &str = "http://127.0.0.1:";
    let (child, log) = spawn(name, command, folder)?;
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut server = Server { child, log, buffered: nowhere, streamed: nowhere };
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        let output = server.output();
        let digits = output.split_once(MARK).map(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next());
        if let Some(Some(port)) = digits
            && output.contains('\n')
        {
            server.buffered.set_port(port.parse()?);
            server.streamed = server.buffered;
            return Ok(server);
        }
        if let Some(status) = server.ended()? {
            return Err(format!("{name} ended with {status}: {}", server.output()).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("{name} did not say where it listens: {}", server.output()).into())
}

fn spawn(name: &str, command: &mut Command, folder: &Path) -> Outcome<(Child, PathBuf)> {
    let log = folder.join(format!("{name}.log"));
    let out = fs::File::create(&log)?;
    let child = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .map_err(|error| format!("{name} could not be started: {error}"))?;
    Ok((child, log))
}

/// Waits until the server takes connections.
fn wait_for(server: &mut Server) -> Outcome<()> {
    let until = Instant::now() + Duration::from_secs(20);
    while Instant::now() < until {
        if std::net::TcpStream::connect(server.streamed).is_ok() {
            return Ok(());
        }
        if let Some(status) = server.ended()? {
            return Err(format!("a server ended with {status}: {}", server.output()).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("nothing listens on {}: {}", server.streamed, server.output()).into())
}

fn free_port() -> Outcome<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
