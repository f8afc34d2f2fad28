//! A pseudo-terminal around the real binary: keys in, a screen to read, and whether the terminal was given back.

use std::{
    collections::HashMap,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Long enough for a loaded machine; nothing waits this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(180);

pub struct Workbench {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    raw: Arc<Mutex<Vec<u8>>>,
    /// Held while the terminal does not read.
    reads: Arc<Mutex<()>>,
    home: tempfile::TempDir,
}

/// The terminal that tests are for.
const XTERM: &str = "xterm-256color";

impl Workbench {
    /// Opens it at this size, in a home of its own.
    pub fn open(columns: u16, rows: u16, arguments: &[&str]) -> Self {
        Self::open_in(tempfile::tempdir().unwrap(), columns, rows, arguments)
    }

    /// Runs the binary without a screen in this home, and gives its standard output.
    pub fn run_in(home: &Path, line: &str) -> String {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_aat-tui"));
        command.args(line.split_whitespace()).current_dir(home).env("AAT_TUI_SESSIONS", home.join("sessions"));
        let output = command.env("HOME", home).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Opens it in a home that an earlier one left.
    pub fn open_in(home: tempfile::TempDir, columns: u16, rows: u16, arguments: &[&str]) -> Self {
        Self::spawn(env!("CARGO_BIN_EXE_aat-tui"), XTERM, home, columns, rows, arguments, &HashMap::new())
    }

    /// The same with more variables in its environment; for measurements of another build, the binary that `MEASURED` names.
    pub fn open_with(
        home: tempfile::TempDir,
        columns: u16,
        rows: u16,
        arguments: &[&str],
        environment: &HashMap<String, String>,
    ) -> Self {
        let program = std::env::var("MEASURED").unwrap_or_else(|_| env!("CARGO_BIN_EXE_aat-tui").to_owned());
        Self::spawn(&program, XTERM, home, columns, rows, arguments, environment)
    }

    /// Another program, or another terminal.
    pub fn program(program: &str, term: &str, columns: u16, rows: u16, arguments: &[&str]) -> Self {
        Self::spawn(program, term, tempfile::tempdir().unwrap(), columns, rows, arguments, &HashMap::new())
    }

    /// This program on a terminal that shows lines only, where everything else asks for colours.
    pub fn dumb(columns: u16, rows: u16, arguments: &[&str]) -> Self {
        let environment = HashMap::from([("CI".into(), "true".into()), ("COLORTERM".into(), "truecolor".into())]);
        let home = tempfile::tempdir().unwrap();
        Self::spawn(env!("CARGO_BIN_EXE_aat-tui"), "dumb", home, columns, rows, arguments, &environment)
    }

    /// A shell with job control, for the workbench to be started in.
    pub fn shell(columns: u16, rows: u16) -> Self {
        Self::program("sh", XTERM, columns, rows, &["-i"])
    }

    fn spawn(
        program: &str,
        term: &str,
        home: tempfile::TempDir,
        columns: u16,
        rows: u16,
        arguments: &[&str],
        environment: &HashMap<String, String>,
    ) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pty = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env("TERM", term);
        command.env("HOME", home.path());
        command.env("XDG_DATA_HOME", home.path().join("data"));
        command.env("XDG_CACHE_HOME", home.path().join("cache"));
        command.env("XDG_CONFIG_HOME", home.path().join("config"));
        command.env("AAT_TUI_SESSIONS", home.path().join("sessions"));
        command.env_remove("NO_COLOR");
        environment.iter().for_each(|(name, value)| command.env(name, value));
        command.cwd(home.path());
        let child = pty.slave.spawn_command(command).unwrap();
        drop(pty.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let raw = Arc::new(Mutex::new(Vec::new()));
        let reads = Arc::new(Mutex::new(()));
        let (mut reader, keys) = (pty.master.try_clone_reader().unwrap(), pty.master.take_writer().unwrap());
        thread::spawn({
            let (screen, raw, reads) = (screen.clone(), raw.clone(), reads.clone());
            move || {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = reader.read(&mut buffer) {
                    drop(reads.lock().unwrap());
                    screen.lock().unwrap().process(&buffer[..read]);
                    raw.lock().unwrap().extend_from_slice(&buffer[..read]);
                }
            }
        });
        Self { master: pty.master, child, keys, screen, raw, reads, home }
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn sessions(&self) -> PathBuf {
        self.home.path().join("sessions")
    }

    /// Ends it and keeps its home.
    pub fn into_home(mut self) -> tempfile::TempDir {
        let _ = self.child.kill();
        std::mem::replace(&mut self.home, tempfile::tempdir().unwrap())
    }

    pub fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// These columns of the rows, from top to bottom.
    pub fn columns(&self, from: u16, width: u16) -> Vec<String> {
        self.screen.lock().unwrap().screen().rows(from, width).collect()
    }

    /// The terminal reads nothing as long as this is held.
    pub fn stand_still(&self) -> MutexGuard<'_, ()> {
        self.reads.lock().unwrap()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Presses keys; a program that has ended gets none.
    pub fn press_if_alive(&mut self, keys: &str) {
        let _ = self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush());
    }

    /// The exit code, once it has ended.
    pub fn exit_code(&mut self) -> Option<u32> {
        let status = self.child.try_wait().unwrap()?;
        thread::sleep(Duration::from_millis(300)); // the reading thread drains what is left
        Some(status.exit_code())
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(rows, columns);
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = i32::try_from(self.pid()).unwrap();
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
    }

    /// Waits until the screen's text satisfies `holds`; panics with the screen when it never does.
    pub fn wait_for(&mut self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        self.wait_long(what, PATIENCE, holds)
    }

    /// The same for what takes longer.
    pub fn wait_long(&mut self, what: &str, patience: Duration, holds: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let text = self.text();
            if holds(&text) {
                return text;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the workbench ended ({status:?}) before {what}:\n{text}");
            }
            assert!(started.elapsed() < patience, "waited in vain for {what}:\n{text}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until these bytes were written.
    pub fn wait_for_bytes(&mut self, what: &str, bytes: &str) {
        let raw = self.raw.clone();
        self.wait_for(what, |_| String::from_utf8_lossy(&raw.lock().unwrap()).contains(bytes));
    }

    /// Whether the last of these bytes came after the last of those.
    pub fn wrote_after(&self, bytes: &str, those: &str) -> bool {
        let raw = self.raw.lock().unwrap();
        let raw = String::from_utf8_lossy(&raw);
        raw.rfind(bytes) > raw.rfind(those)
    }

    /// Whether these bytes were ever written.
    pub fn wrote(&self, bytes: &str) -> bool {
        String::from_utf8_lossy(&self.raw.lock().unwrap()).contains(bytes)
    }

    /// Waits for the process to end and gives its exit code.
    pub fn wait_for_end(&mut self) -> u32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                thread::sleep(Duration::from_millis(300)); // the reading thread drains what is left
                return status.exit_code();
            }
            assert!(started.elapsed() < PATIENCE, "it did not end:\n{}", self.text());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The terminal was given back: main screen, cursor shown, raw mode off.
    pub fn assert_restored(&self) {
        let raw = self.raw.lock().unwrap();
        let raw = String::from_utf8_lossy(&raw);
        let last = |sequence: &str| raw.rfind(sequence);
        assert!(last("\u{1b}[?1049l") > last("\u{1b}[?1049h"), "the alternate screen is still on");
        assert!(last("\u{1b}[?25h") > last("\u{1b}[?25l"), "the cursor stays hidden");
        assert!(last("\u{1b}[?1000l") >= last("\u{1b}[?1000h"), "the mouse is still taken");
        let flags = format!("{:?}", self.master.get_termios().expect("termios").local_flags);
        assert!(flags.contains("ICANON") && flags.contains("ECHO"), "raw mode is still on: {flags}");
    }
}

impl Drop for Workbench {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// The epoch under way, as Train says it of the first side that has one.
pub fn epoch(text: &str) -> Option<usize> {
    let (_, rest) = text.split_once("epoch ")?;
    rest.split_once('/')?.0.trim().parse().ok()
}

/// Names of the session folders in a store.
pub fn session_names(store: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(store) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect()
}
