//! Python with the packages that the oracles need: processes that stay, one for each test that asks at the same time.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};
use shoal_testkit::python;

/// A process that runs scripts. It ends with its input, which is closed when the tests end.
struct Server {
    _child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

/// Those that nobody asks at the moment.
static IDLE: Mutex<Vec<Server>> = Mutex::new(Vec::new());

impl Server {
    fn start() -> Self {
        let mut child = Command::new(python())
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/serve.py"))
            // Problems this small only lose by more than one thread.
            .env("OMP_NUM_THREADS", "1")
            .env("OPENBLAS_NUM_THREADS", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { _child: child, to, from }
    }

    fn ask(&mut self, script: &str, question: &Value) -> Value {
        let request = json!({"script": script, "question": question.to_string()});
        writeln!(self.to, "{request}").unwrap();
        self.to.flush().unwrap();
        let mut reply = String::new();
        self.from.read_line(&mut reply).unwrap();
        let reply: Value = serde_json::from_str(&reply).unwrap();
        if let Some(error) = reply["error"].as_str() {
            panic!("{script} failed; if a package is missing, run `make setup`:\n{error}");
        }
        serde_json::from_str(reply["answer"].as_str().unwrap()).unwrap()
    }
}

/// What a script of `tests/oracle` answers to a question. Numbers that JSON does not have are null on both sides.
pub(crate) fn run(script: &str, question: &Value) -> Value {
    let idle = IDLE.lock().unwrap().pop();
    let mut server = idle.unwrap_or_else(Server::start);
    let answer = server.ask(script, question);
    IDLE.lock().unwrap().push(server);
    answer
}
