//! Worker processes: started with nothing but what they are given, ended by their pidfd.
//!
//! A worker gets three descriptors and no others, a process group of its own, default signals, and
//! SIGTERM when the thread that started it ends: it must be started by a thread that lives as long
//! as the service.
//!
//! This module holds `unsafe`: what happens between fork and exec.
//!
//! # Source
//! pidfd_open(2), close_range(2), PR_SET_PDEATHSIG(2const), systemd.exec(5) for SYSTEMD_EXEC_PID.

#![expect(
    unsafe_code,
    reason = "what happens between fork and exec has no safe wrapper"
)]

use rustix::io::Errno;
pub use rustix::process::Signal;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, WaitId, WaitIdOptions, WaitIdStatus};
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process;

/// Set to the worker's own number in its environment.
const EXEC_PID: &str = "SYSTEMD_EXEC_PID";
/// Most digits of a process number.
const PID_DIGITS: usize = 10;
/// Highest signal number that is reset.
const SIGNAL_MAX: libc::c_int = 31;

/// Where one of a worker's standard descriptors leads.
#[derive(Debug)]
pub enum Stdio {
    /// `/dev/null`
    Null,
    /// This descriptor.
    Fd(OwnedFd),
}

/// A worker to be started.
#[derive(Debug)]
pub struct Command {
    program: OsString,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    stdin: Stdio,
    stdout: Stdio,
    stderr: Stdio,
    open_files_max: Option<u64>,
}

/// A worker that was started, and is not reaped yet.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
    pidfd: OwnedFd,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitOutcome {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

impl Command {
    /// A program by its path, with our environment and nothing on its descriptors.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: std::env::vars_os().collect(),
            stdin: Stdio::Null,
            stdout: Stdio::Null,
            stderr: Stdio::Null,
            open_files_max: None,
        }
    }

    /// Adds arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> &mut Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        let (name, value) = (name.as_ref().to_owned(), value.as_ref().to_owned());
        self.environment.insert(name, value);
        self
    }

    /// Removes all variables from the environment.
    pub fn env_clear(&mut self) -> &mut Self {
        self.environment.clear();
        self
    }

    /// Removes a variable from the environment.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.environment.remove(name.as_ref());
        self
    }

    /// Sets standard input.
    pub fn stdin(&mut self, stdio: Stdio) -> &mut Self {
        self.stdin = stdio;
        self
    }

    /// Sets standard output.
    pub fn stdout(&mut self, stdio: Stdio) -> &mut Self {
        self.stdout = stdio;
        self
    }

    /// Sets standard error.
    pub fn stderr(&mut self, stdio: Stdio) -> &mut Self {
        self.stderr = stdio;
        self
    }

    /// Sets how many descriptors the worker may have (the soft RLIMIT_NOFILE); ours by default.
    pub fn open_files_max(&mut self, count: u64) -> &mut Self {
        self.open_files_max = Some(count);
        self
    }

    /// Starts the worker. When that fails, none is left.
    ///
    /// # Errors
    /// `NotFound` and others from execve(2); what fork(2) says; `InvalidInput` for a NUL in a
    /// word.
    pub fn spawn(&mut self) -> io::Result<Child> {
        let mut image = Image::new(&self.program, &self.arguments, &self.environment)?;
        let parent = rustix::process::getpid().as_raw_nonzero().get();
        let open_files_max = self.open_files_max;
        let mut command = process::Command::new(&self.program);
        command
            .stdin(take(&mut self.stdin)?)
            .stdout(take(&mut self.stdout)?)
            .stderr(take(&mut self.stderr)?)
            .process_group(0);
        // SAFETY: the closure runs between fork and exec and makes system calls only; it allocates
        // nothing and takes no lock, since all memory it uses was prepared before the fork.
        unsafe { command.pre_exec(move || become_worker(&mut image, parent, open_files_max)) };
        Child::hold(command.spawn()?, |pid| {
            rustix::process::pidfd_open(pid, PidfdFlags::empty())
        })
    }
}

impl Child {
    /// Takes a process that leads a group of its own; ends it if it cannot be held by a pidfd.
    fn hold(
        mut child: process::Child,
        open: impl FnOnce(Pid) -> Result<OwnedFd, Errno>,
    ) -> io::Result<Self> {
        let pid = Pid::from_child(&child);
        // The number cannot be reused before we reap it.
        match open(pid) {
            Ok(pidfd) => Ok(Self { pid, pidfd }),
            Err(errno) => {
                // A failed cleanup would hide the reason; the group is there until it is reaped.
                rustix::process::kill_process_group(pid, Signal::KILL).unwrap_or(());
                child.wait().map(drop).unwrap_or(());
                Err(errno.into())
            }
        }
    }

    /// Kills the worker and all it started, and reaps it: for one that nobody would watch.
    ///
    /// # Errors
    /// `ECHILD` if it was reaped before.
    pub fn discard(self) -> io::Result<()> {
        self.signal_group(Signal::KILL)?;
        self.wait().map(drop)
    }

    /// The worker's number; it stays the worker's until it is reaped.
    #[must_use]
    pub const fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Becomes readable when the worker ends.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Sends a signal to the worker.
    ///
    /// # Errors
    /// `ESRCH` if it was reaped.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(rustix::process::pidfd_send_signal(&self.pidfd, signal)?)
    }

    /// Sends a signal to the worker and all it started. Must not be called once it is reaped.
    ///
    /// # Errors
    /// `ESRCH` if nothing of the group is left.
    pub fn signal_group(&self, signal: Signal) -> io::Result<()> {
        Ok(rustix::process::kill_process_group(self.pid, signal)?)
    }

    /// How the worker ended, if it has; reaps it then.
    ///
    /// # Errors
    /// `ECHILD` if it was reaped before.
    pub fn try_wait(&self) -> io::Result<Option<ExitOutcome>> {
        self.reap(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    /// Waits until the worker ends, and reaps it.
    ///
    /// # Errors
    /// `ECHILD` if it was reaped before.
    pub fn wait(&self) -> io::Result<ExitOutcome> {
        loop {
            match self.reap(WaitIdOptions::EXITED) {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn reap(&self, options: WaitIdOptions) -> io::Result<Option<ExitOutcome>> {
        let status = rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options)?;
        Ok(status.as_ref().map(outcome))
    }
}

fn outcome(status: &WaitIdStatus) -> ExitOutcome {
    match status.exit_status() {
        Some(code) => ExitOutcome::Exited(code),
        None => ExitOutcome::Signaled(status.terminating_signal().unwrap_or(0)),
    }
}

fn take(stdio: &mut Stdio) -> io::Result<process::Stdio> {
    Ok(match stdio {
        Stdio::Null => process::Stdio::null(),
        Stdio::Fd(fd) => process::Stdio::from(fd.try_clone()?),
    })
}

/// What execve(2) wants, prepared before the fork; the worker's number is filled in after it.
struct Image {
    program: CString,
    /// Own the memory that the pointers lead to.
    _words: Vec<CString>,
    _variables: Vec<CString>,
    exec_pid: Box<[u8]>,
    argv: Vec<*const libc::c_char>,
    envp: Vec<*const libc::c_char>,
}

// SAFETY: the pointers lead into heap memory that the structure itself owns and that nobody else
// has; it moves with it.
unsafe impl Send for Image {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for Image {}

impl Image {
    fn new(
        program: &OsStr,
        arguments: &[OsString],
        environment: &BTreeMap<OsString, OsString>,
    ) -> io::Result<Self> {
        let c_string = |bytes: Vec<u8>| CString::new(bytes).map_err(io::Error::other);
        let program = c_string(program.as_bytes().to_vec())?;
        let mut words = vec![program.clone()];
        for argument in arguments {
            words.push(c_string(argument.clone().into_vec())?);
        }
        let mut variables = Vec::new();
        for (name, value) in environment {
            if name != EXEC_PID {
                let text = [name.as_bytes(), b"=", value.as_bytes()].concat();
                variables.push(c_string(text)?);
            }
        }
        let mut exec_pid = format!("{EXEC_PID}=").into_bytes();
        exec_pid.resize(exec_pid.len() + PID_DIGITS + 1, 0);
        let exec_pid = exec_pid.into_boxed_slice();
        let pointers =
            |texts: &[CString]| -> Vec<_> { texts.iter().map(|text| text.as_ptr()).collect() };
        let mut argv = pointers(&words);
        argv.push(std::ptr::null());
        let mut envp = pointers(&variables);
        envp.push(exec_pid.as_ptr().cast());
        envp.push(std::ptr::null());
        Ok(Self {
            program,
            _words: words,
            _variables: variables,
            exec_pid,
            argv,
            envp,
        })
    }

    /// Writes our number behind the name of its variable, without allocating.
    fn fill_in_pid(&mut self) {
        let mut number = rustix::process::getpid()
            .as_raw_nonzero()
            .get()
            .unsigned_abs();
        let mut digits = [0u8; PID_DIGITS];
        let mut length = 0;
        while length < PID_DIGITS {
            digits[length] = b"0123456789"[(number % 10) as usize];
            number /= 10;
            length += 1;
            if number == 0 {
                break;
            }
        }
        let start = EXEC_PID.len() + 1;
        for (place, digit) in self.exec_pid[start..]
            .iter_mut()
            .zip(digits[..length].iter().rev())
        {
            *place = *digit;
        }
    }
}

/// Runs between fork and exec: system calls only. Returns only if it fails.
fn become_worker(image: &mut Image, parent: i32, open_files_max: Option<u64>) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
    // The parent may have ended before we asked to be told.
    if rustix::process::getppid().is_none_or(|now| now.as_raw_nonzero().get() != parent) {
        return Err(Errno::SRCH.into());
    }
    for number in 1..=SIGNAL_MAX {
        // SAFETY: the default disposition runs no code of ours. KILL and STOP are refused: fine.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    // SAFETY: takes numbers only. The standard library's own pipe to the parent closes on exec.
    unsafe {
        libc::close_range(
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC.cast_signed(),
        )
    };
    if let Some(current) = open_files_max {
        let limit = Rlimit {
            current: Some(current),
            ..rustix::process::getrlimit(Resource::Nofile)
        };
        rustix::process::setrlimit(Resource::Nofile, limit)?;
    }
    image.fill_in_pid();
    let (argv, envp) = (image.argv.as_ptr(), image.envp.as_ptr());
    // SAFETY: all three lead to NUL-terminated strings and NULL-terminated arrays owned by `image`.
    unsafe { libc::execve(image.program.as_ptr(), argv, envp) };
    Err(io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn shell(script: &str) -> (Command, std::io::PipeReader) {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        command.stdout(Stdio::Fd(writer.into()));
        (command, reader)
    }

    fn output(script: &str) -> (String, ExitOutcome) {
        let (mut command, mut reader) = shell(script);
        let child = command.spawn().unwrap();
        drop(command);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        (text, child.wait().unwrap())
    }

    #[test]
    fn a_worker_knows_its_own_number_and_leads_its_own_group() {
        let (text, end) = output("echo $$ $SYSTEMD_EXEC_PID $(cut -d' ' -f5 /proc/$$/stat)");
        let words: Vec<_> = text.split_whitespace().collect();
        assert_eq!(words.len(), 3);
        assert!(words.iter().all(|word| *word == words[0]), "{text}");
        assert_eq!(end, ExitOutcome::Exited(0));
    }

    #[test]
    fn no_descriptor_of_ours_leaks() {
        let file = std::fs::File::open("/dev/null").unwrap();
        // A number that the shell does not use itself.
        let leaked = rustix::io::fcntl_dupfd_cloexec(&file, 100).unwrap();
        rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&leaked);
        let (text, _) = output(&format!("[ -e /proc/$$/fd/{number} ]; echo $?"));
        assert_eq!(text, "1\n");
    }

    #[test]
    fn an_environment_can_be_begun_anew() {
        let (mut command, mut reader) = shell("echo $HOME-$OWN");
        let child = command.env_clear().env("OWN", "x").spawn().unwrap();
        drop(command);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "-x\n");
        child.wait().unwrap();
    }

    #[test]
    fn the_ways_to_end_are_told_apart() {
        assert_eq!(output("exit 7").1, ExitOutcome::Exited(7));
        assert_eq!(output("kill -9 $$").1, ExitOutcome::Signaled(9));
        let (mut command, _reader) = shell("sleep 1000 & wait");
        let child = command.spawn().unwrap();
        assert_eq!(child.try_wait().unwrap(), None);
        child.signal_group(Signal::KILL).unwrap();
        assert_eq!(child.wait().unwrap(), ExitOutcome::Signaled(9));
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_at_once() {
        let error = Command::new("/nonexistent/program").spawn().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_worker_gets_the_limit_of_descriptors_that_it_is_given() {
        let (mut command, mut reader) = shell("ulimit -Sn; ulimit -Hn");
        let child = command.open_files_max(77).spawn().unwrap();
        drop(command);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        child.wait().unwrap();
        let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
        let hard = hard.map_or("unlimited".to_owned(), |count| count.to_string());
        assert_eq!(text, format!("77\n{hard}\n"));
    }

    /// Waits for all who could write to a pipe to end.
    fn until_silent(mut reader: std::io::PipeReader) {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
    }

    #[test]
    fn a_process_that_cannot_be_held_is_killed_with_its_children_and_reaped() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let child = process::Command::new("/bin/sh")
            .args(["-c", "sleep 1000 & echo started; wait"])
            .stdout(writer)
            .process_group(0)
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        reader.read_exact(&mut [0; 8]).unwrap();
        let error = Child::hold(child, |_| Err(Errno::MFILE)).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::MFILE.raw_os_error()));
        until_silent(reader);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let gone = rustix::process::waitid(WaitId::Pid(pid), options);
        assert_eq!(gone.unwrap_err(), Errno::CHILD);
    }

    #[test]
    fn a_discarded_worker_is_killed_with_its_children_and_reaped() {
        let (mut command, mut reader) = shell("sleep 1000 & echo started; wait");
        let child = command.spawn().unwrap();
        drop(command);
        let pid = child.pid;
        reader.read_exact(&mut [0; 8]).unwrap();
        child.discard().unwrap();
        until_silent(reader);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let gone = rustix::process::waitid(WaitId::Pid(pid), options);
        assert_eq!(gone.unwrap_err(), Errno::CHILD);
    }
}
