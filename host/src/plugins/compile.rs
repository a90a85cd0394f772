//! Compiling, in a killable child of the same binary.
//!
//! The time and memory that hostile bytes take to compile cannot be bounded inside a process. The child limits
//! itself before it reads them, the parent cuts it off, and what comes back is only ever run because this binary
//! made it a moment ago.
//!
//! The child reads `cpu_s: u32 LE, memory_mb: u32 LE, component` and answers `ANSWER, status: u8, bytes`.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::engine;

/// The hidden subcommand that [`child_main`] stands behind.
pub const SUBCOMMAND: &str = "compile-component";

/// Begins the answer, so that nothing else on the child's stdout is taken for it.
const ANSWER: &[u8; 16] = b"\x00frontdesk code\n";
const COMPILED: u8 = 0;
const REFUSED: u8 = 1;

/// Compiled code is some five times the size of the component.
const MAX_ANSWER_BYTES: u64 = 256 * 1024 * 1024;
const MAX_COMPLAINT_BYTES: u64 = 16 * 1024;

const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

/// How the child is started: by default this very binary.
#[derive(Clone, Debug)]
pub struct CompilerCommand {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// All that the child finds in its environment.
    pub env: Vec<(OsString, OsString)>,
}

impl CompilerCommand {
    /// # Errors
    /// If the path of this binary cannot be found out.
    pub fn this_binary() -> std::io::Result<Self> {
        // The link leads to the running file even when an upgrade has put another one in its place.
        let link = Path::new("/proc/self/exe");
        let program = if link.exists() { link.to_path_buf() } else { std::env::current_exe()? };
        Ok(Self { program, args: vec![SUBCOMMAND.into()], env: Vec::new() })
    }
}

/// What one compilation may use.
#[derive(Clone, Copy, Debug)]
pub struct CompileLimits {
    pub cpu_s: u32,
    /// Of address space.
    pub memory_mb: u32,
    pub wall: Duration,
}

impl Default for CompileLimits {
    fn default() -> Self {
        // A Python guest of 18 MB takes about half of it on a slow machine.
        Self { cpu_s: 60, memory_mb: 4096, wall: Duration::from_secs(120) }
    }
}

/// Why a component could not be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    #[error("the component is not valid: {0}")]
    Invalid(String),
    #[error("compiling took longer than {cpu_s} s of processor time; make the component smaller or simpler")]
    Cpu { cpu_s: u32 },
    #[error("compiling took longer than {wall_s} s; make the component smaller or simpler")]
    Wall { wall_s: u64 },
    #[error("compiling took more than {memory_mb} MiB of memory; make the component smaller or simpler")]
    Memory { memory_mb: u32 },
    #[error("the compiled code is larger than {} MiB; make the component smaller", MAX_ANSWER_BYTES / 1024 / 1024)]
    TooLarge,
    #[error("the compiling process failed: {0}")]
    Child(String),
}

/// Compiles in a child, which is killed when it takes too long or when this future is dropped.
pub(super) async fn compile(
    command: &CompilerCommand,
    limits: CompileLimits,
    component: &[u8],
) -> Result<Vec<u8>, CompileError> {
    let mut child = Command::new(&command.program)
        .args(&command.args)
        .env_clear()
        .envs(command.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| {
            CompileError::Child(format!("{} does not start: {error}", command.program.display()))
        })?;
    match tokio::time::timeout(limits.wall, converse(&mut child, limits, component)).await {
        Ok(answer) => answer,
        Err(_) => {
            // It is reaped in the background; nothing waits for its end.
            let _ = child.start_kill();
            Err(CompileError::Wall { wall_s: limits.wall.as_secs() })
        }
    }
}

async fn converse(
    child: &mut Child,
    limits: CompileLimits,
    component: &[u8],
) -> Result<Vec<u8>, CompileError> {
    let lost = || CompileError::Child("its pipes are missing".to_owned());
    let mut stdin = child.stdin.take().ok_or_else(lost)?;
    let stdout = child.stdout.take().ok_or_else(lost)?;
    let stderr = child.stderr.take().ok_or_else(lost)?;

    let ask = async {
        // A child that died early is explained by its end, not by the broken pipe.
        let header = [limits.cpu_s.to_le_bytes(), limits.memory_mb.to_le_bytes()].concat();
        let _ = stdin.write_all(&header).await;
        let _ = stdin.write_all(component).await;
        drop(stdin);
    };
    let (mut answer, mut complaint) = (Vec::new(), Vec::new());
    let listen = async {
        let read = stdout.take(MAX_ANSWER_BYTES + 1).read_to_end(&mut answer).await;
        read.map_err(|error| CompileError::Child(error.to_string()))
    };
    let overhear = async {
        let mut stderr = stderr;
        let _ = (&mut stderr).take(MAX_COMPLAINT_BYTES).read_to_end(&mut complaint).await;
        // What is beyond is drained: a child that blocks on stderr would never end.
        let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    };
    let ((), read, ()) = tokio::join!(ask, listen, overhear);
    if read? as u64 > MAX_ANSWER_BYTES {
        return Err(CompileError::TooLarge);
    }
    let status = child.wait().await.map_err(|error| CompileError::Child(error.to_string()))?;
    let complaint = String::from_utf8_lossy(&complaint);
    match status.signal() {
        Some(SIGXCPU | SIGKILL) => return Err(CompileError::Cpu { cpu_s: limits.cpu_s }),
        Some(_) if complaint.contains("memory allocation") => {
            return Err(CompileError::Memory { memory_mb: limits.memory_mb });
        }
        _ => {}
    }
    read_answer(answer).unwrap_or_else(|| {
        let said = complaint.trim();
        let last = said.lines().last().unwrap_or("it said nothing");
        Err(CompileError::Child(format!("{status}: {last}")))
    })
}

/// Nothing if there is no answer in it.
fn read_answer(mut stdout: Vec<u8>) -> Option<Result<Vec<u8>, CompileError>> {
    let start = stdout.windows(ANSWER.len()).position(|window| window == ANSWER)? + ANSWER.len();
    let header = stdout.get(start..start + 9)?;
    let status = header[0];
    let length = usize::try_from(u64::from_le_bytes(header[1..].try_into().ok()?)).ok()?;
    let body = start + 9..(start + 9).checked_add(length)?;
    stdout.get(body.clone())?;
    stdout.truncate(body.end);
    let bytes = stdout.split_off(body.start);
    Some(match status {
        COMPILED => Ok(bytes),
        REFUSED => Err(CompileError::Invalid(String::from_utf8_lossy(&bytes).replace(char::is_control, " "))),
        other => Err(CompileError::Child(format!("it answered with status {other}"))),
    })
}

/// The child: the whole life of `frontdesk compile-component`.
#[must_use]
pub fn child_main() -> ExitCode {
    match child() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}

fn child() -> std::io::Result<()> {
    // Nobody reads the answer of a service that was killed.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let mut stdin = std::io::stdin().lock();
    let mut header = [0; 8];
    stdin.read_exact(&mut header)?;
    let [c0, c1, c2, c3, m0, m1, m2, m3] = header;
    let cpu_s = u32::from_le_bytes([c0, c1, c2, c3]);
    let memory_mb = u32::from_le_bytes([m0, m1, m2, m3]);
    // Before the first byte of the component is read.
    limit(Resource::Cpu, cpu_s.into())?;
    limit(Resource::As, u64::from(memory_mb) * 1024 * 1024)?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;

    let mut component = Vec::new();
    stdin.read_to_end(&mut component)?;
    let compiled = engine::compiler_engine()
        .and_then(|engine| engine.precompile_component(&component))
        .map_err(|error| format!("{error:#}"));
    let (status, bytes) = match compiled {
        Ok(code) => (COMPILED, code),
        Err(message) => (REFUSED, super::text::shorten(message, 4_000).into_bytes()),
    };
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(ANSWER)?;
    stdout.write_all(&[status])?;
    stdout.write_all(&(bytes.len() as u64).to_le_bytes())?;
    stdout.write_all(&bytes)?;
    stdout.flush()
}

fn limit(resource: Resource, most: u64) -> std::io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::testing::{compiler, hostile_to_compile};

    const LIMITS: CompileLimits = CompileLimits { cpu_s: 30, memory_mb: 2048, wall: Duration::from_secs(60) };

    #[tokio::test]
    async fn the_child_compiles() {
        let component = wat::parse_str("(component (core module))").expect("it is a component");
        let code = compile(&compiler(), LIMITS, &component).await.expect("it compiles");
        assert_eq!(wasmtime::Engine::detect_precompiled(&code), Some(wasmtime::Precompiled::Component));
    }

    #[tokio::test]
    async fn what_is_no_component_is_refused_with_a_reason() {
        let error =
            compile(&compiler(), LIMITS, b"\0asm\x0d\0\x01\0\x63").await.expect_err("it is cut short");
        assert!(matches!(&error, CompileError::Invalid(message) if !message.is_empty()), "{error}");
    }

    #[tokio::test]
    async fn a_component_that_takes_long_to_compile_is_cut_by_its_processor_time() {
        let limits = CompileLimits { cpu_s: 1, ..LIMITS };
        let error = compile(&compiler(), limits, &hostile_to_compile()).await.expect_err("it is cut");
        assert_eq!(error, CompileError::Cpu { cpu_s: 1 });
        assert_eq!(
            error.to_string(),
            "compiling took longer than 1 s of processor time; make the component smaller or simpler"
        );
    }

    #[tokio::test]
    async fn a_component_that_takes_long_to_compile_is_cut_by_the_clock() {
        let limits = CompileLimits { wall: Duration::from_millis(300), ..LIMITS };
        let error = compile(&compiler(), limits, &hostile_to_compile()).await.expect_err("it is cut");
        assert_eq!(error, CompileError::Wall { wall_s: 0 });
    }

    #[tokio::test]
    async fn a_component_that_takes_much_memory_to_compile_is_cut() {
        // The test binary itself takes some of it.
        let limits = CompileLimits { memory_mb: 320, ..LIMITS };
        let error = compile(&compiler(), limits, &hostile_to_compile()).await.expect_err("it is cut");
        assert_eq!(error, CompileError::Memory { memory_mb: 320 });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_child_ends_with_the_thread_that_began_it() {
        let CompilerCommand { program, args, env } = compiler();
        let began = std::thread::spawn(move || {
            let mut child = std::process::Command::new(program)
                .args(args)
                .envs(env)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .expect("it starts");
            let mut stdin = child.stdin.take().expect("it is piped");
            stdin.write_all(&[60, 0, 0, 0, 0, 8, 0, 0]).expect("it reads");
            // It has limited itself: from here on it waits for the component, which never comes.
            let limits = format!("/proc/{}/limits", child.id());
            let limited = || {
                let limits = std::fs::read_to_string(&limits).expect("it runs");
                limits.lines().any(|line| line.starts_with("Max file size") && line.contains(" 0 "))
            };
            while !limited() {
                std::thread::yield_now();
            }
            (child, stdin)
        });
        let (mut child, _stdin) = began.join().expect("it does not panic");
        assert_eq!(child.wait().expect("it is ours").signal(), Some(SIGKILL));
    }

    #[tokio::test]
    async fn a_program_that_is_no_compiler_is_told() {
        let command = CompilerCommand { program: "/bin/true".into(), args: Vec::new(), env: Vec::new() };
        let error = compile(&command, LIMITS, b"").await.expect_err("it answers nothing");
        assert_eq!(error, CompileError::Child("exit status: 0: it said nothing".to_owned()));
    }
}
