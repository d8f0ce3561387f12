//! Starting the program in a folder of its own with an environment of its own, and speaking HTTP to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Long enough for a busy machine; nothing here should take a tenth of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The program with next to nothing in its environment.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluicegate"));
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(folder).stdin(Stdio::null());
    // An Ollama on the machine that runs the tests is not their business.
    command.env("OLLAMA_HOST", "127.0.0.1:1");
    command
}

/// Runs a command that ends by itself.
pub(crate) fn output(folder: &Path, arguments: &[&str]) -> Output {
    command(folder).args(arguments).output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(10));
    }
}

/// A program that runs until it is told to stop; killed when dropped.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) folder: Arc<TempDir>,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
}

impl Running {
    /// Starts a command in a folder.
    pub(crate) fn start(folder: &Arc<TempDir>, command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = collect(child.stdout.take().unwrap());
        let err = collect(child.stderr.take().unwrap());
        Self { child, folder: Arc::clone(folder), out, err }
    }

    /// `serve` on a free port with a file, or without one.
    pub(crate) fn serve(file: Option<&str>, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        if let Some(file) = file {
            std::fs::write(folder.path().join("sluicegate.yaml"), file).unwrap();
        }
        Self::serve_in(&folder, arguments, environment)
    }

    pub(crate) fn serve_in(folder: &Arc<TempDir>, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command(folder.path());
        let listen: &[&str] = if arguments.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        command.arg("serve").args(listen).args(arguments).envs(environment.iter().copied());
        let running = Self::start(folder, &mut command);
        running.says("Ctrl-C");
        running
    }

    pub(crate) fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    pub(crate) fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    /// Waits until standard error has some words.
    pub(crate) fn says(&self, words: &str) {
        let begun = Instant::now();
        while !self.err().contains(words) {
            assert!(begun.elapsed() < PATIENCE, "never said {words:?}:\n{}", self.err());
            sleep(Duration::from_millis(5));
        }
    }

    /// Where it listens, as `127.0.0.1:8080`.
    pub(crate) fn address(&self) -> String {
        first_address(&self.err()).unwrap().replace("0.0.0.0", "127.0.0.1")
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        request(&self.address(), &format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n"))
    }

    pub(crate) fn post(&self, path: &str, headers: &str, body: &str) -> Answer {
        request(&self.address(), &posting(path, headers, body))
    }

    /// A chat with the simulated model.
    pub(crate) fn chat(&self, model: &str) -> Answer {
        self.post(
            "/v1/chat/completions",
            "",
            &format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#),
        )
    }

    /// Begins a streamed chat; the connection is read by whoever wants to.
    pub(crate) fn stream(&self, model: &str, says: &str) -> BufReader<TcpStream> {
        let body = format!(r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"{says}"}}]}}"#);
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(posting("/v1/chat/completions", "", &body).as_bytes()).unwrap();
        BufReader::new(stream)
    }

    /// Runs another command of the program in the same folder.
    pub(crate) fn beside(&self, arguments: &[&str]) -> Output {
        output(self.folder.path(), arguments)
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits for its end and gives its code.
    pub(crate) fn ended(&mut self) -> i32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(begun.elapsed() < PATIENCE, "does not end:\n{}", self.err());
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first loopback address in a text.
pub(crate) fn first_address(text: &str) -> Option<String> {
    let rest = text.split_once("http://").map(|(_, rest)| rest)?;
    Some(rest.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).next()?.to_owned())
}

fn collect(mut pipe: impl std::io::Read + Send + 'static) -> Arc<Mutex<String>> {
    let collected = Arc::new(Mutex::new(String::new()));
    let shared = Arc::clone(&collected);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = pipe.read(&mut buffer) {
            shared.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
    });
    collected
}

/// An answer, its headers in lower case.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A request with a body of JSON.
pub(crate) fn posting(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nconnection: close\r\n\
         {headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Sends a request and reads to the connection's end.
pub(crate) fn request(address: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// Reads a stream until a line has some words; false when it ends before.
pub(crate) fn read_until(stream: &mut BufReader<TcpStream>, words: &str) -> bool {
    let mut line = String::new();
    while stream.read_line(&mut line).unwrap() > 0 {
        if line.contains(words) {
            return true;
        }
        line.clear();
    }
    false
}
