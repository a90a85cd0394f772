//! The two clocks of a call: its processor time, counted in ticks, and the time from its start to its answer.
//!
//! Both stand still where the plugin is not to blame. Processor time stands still while the guest is suspended and
//! while the host works for it; the wall clock stands still while the mail transport has a message, since ending
//! the call then would lose the answer, and the same mail would be sent again.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::limits::{LimitHit, TICK_MS};
use super::manifest::Limits;

/// Shared by the store's callbacks, the imports and whoever waits for the call.
#[derive(Clone)]
pub(super) struct Clocks {
    /// The engine's, which go on for ever.
    ticks: Arc<AtomicU64>,
    state: Arc<Mutex<State>>,
}

struct State {
    /// Below zero once the budget is overdrawn.
    ticks_left: i64,
    /// The tick at which the guest was last resumed.
    resumed: u64,
    deadline: Instant,
    /// Since when the wall clock stands still.
    stopped: Option<Instant>,
}

/// The call took longer than its wall time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late;

impl Clocks {
    pub(super) fn new(ticks: Arc<AtomicU64>, limits: &Limits) -> Self {
        let resumed = ticks.load(Ordering::Relaxed);
        let state = State {
            ticks_left: limits.cpu_ms.div_ceil(TICK_MS).into(),
            resumed,
            deadline: Instant::now() + Duration::from_millis(limits.wall_ms.into()),
            stopped: None,
        };
        Self { ticks, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins both clocks: what went before was waiting for a turn.
    pub(super) fn start(&self, limits: &Limits) {
        let mut state = self.state();
        state.resumed = self.ticks.load(Ordering::Relaxed);
        state.deadline = Instant::now() + Duration::from_millis(limits.wall_ms.into());
    }

    /// The guest stops here: takes what passed since it was resumed, however many ticks that were.
    ///
    /// # Errors
    /// If that is more than is left.
    pub(super) fn charge(&self) -> Result<(), LimitHit> {
        let mut state = self.state();
        let now = self.ticks.load(Ordering::Relaxed);
        let spent = now.saturating_sub(state.resumed);
        state.resumed = now;
        state.ticks_left = state.ticks_left.saturating_sub_unsigned(spent);
        if state.ticks_left < 0 { Err(LimitHit::Cpu) } else { Ok(()) }
    }

    /// The guest goes on here: what passed meanwhile was not its doing.
    pub(super) fn resume(&self) {
        self.state().resumed = self.ticks.load(Ordering::Relaxed);
    }

    /// While this lives, the host works for the guest.
    pub(super) fn host_works(&self) -> HostWorks<'_> {
        // An overdrawn budget ends the guest as soon as it goes on.
        let _ = self.charge();
        HostWorks { clocks: self, stopped: false }
    }

    /// While this lives, the host works for the guest, under limits of its own: the wall clock stands still, too.
    pub(super) fn stop(&self) -> HostWorks<'_> {
        let mut works = self.host_works();
        self.state().stopped = Some(Instant::now());
        works.stopped = true;
        works
    }

    /// Runs `work` until the wall time is over.
    ///
    /// # Errors
    /// If it is.
    pub(super) async fn watch<T>(&self, work: impl Future<Output = T>) -> Result<T, Late> {
        let mut work = pin!(work);
        let mut alarm = pin!(sleep_until(self.state().deadline));
        std::future::poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            // Only work stops the clock and lets it go on, so each change is seen right after it.
            let deadline = {
                let state = self.state();
                if state.stopped.is_some() {
                    return Poll::Pending;
                }
                state.deadline
            };
            if alarm.deadline() != deadline {
                alarm.as_mut().reset(deadline);
            }
            alarm.as_mut().poll(context).map(|()| Err(Late))
        })
        .await
    }
}

impl fmt::Debug for Clocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clocks").field("ticks_left", &self.state().ticks_left).finish_non_exhaustive()
    }
}

/// The guest waits for the host.
#[derive(Debug)]
#[must_use = "the clocks go on when it is dropped"]
pub(super) struct HostWorks<'c> {
    clocks: &'c Clocks,
    stopped: bool,
}

impl Drop for HostWorks<'_> {
    fn drop(&mut self) {
        let mut state = self.clocks.state();
        if self.stopped
            && let Some(since) = state.stopped.take()
        {
            state.deadline += since.elapsed();
        }
        state.resumed = self.clocks.ticks.load(Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { cpu_ms: 10, wall_ms: 1_000, memory_mb: 1 };

    fn clocks() -> (Clocks, Arc<AtomicU64>) {
        let ticks = Arc::new(AtomicU64::new(100));
        (Clocks::new(Arc::clone(&ticks), &LIMITS), ticks)
    }

    #[tokio::test]
    async fn every_tick_that_passed_is_charged_and_none_that_the_guest_did_not_run_in() {
        let (clocks, ticks) = clocks();
        ticks.fetch_add(50, Ordering::Relaxed);
        clocks.start(&LIMITS);
        ticks.fetch_add(2, Ordering::Relaxed);
        assert_eq!(clocks.charge(), Ok(()));
        // Suspended, then in a call of the host.
        ticks.fetch_add(50, Ordering::Relaxed);
        clocks.resume();
        ticks.fetch_add(1, Ordering::Relaxed);
        let works = clocks.host_works();
        ticks.fetch_add(50, Ordering::Relaxed);
        drop(works);
        assert_eq!(clocks.charge(), Ok(()));
        ticks.fetch_add(2, Ordering::Relaxed);
        assert_eq!(clocks.charge(), Ok(()), "five ticks of 2 ms are 10 ms");
        ticks.fetch_add(1, Ordering::Relaxed);
        assert_eq!(clocks.charge(), Err(LimitHit::Cpu));
    }

    #[tokio::test]
    async fn one_long_instruction_costs_what_it_takes() {
        let (clocks, ticks) = clocks();
        clocks.start(&LIMITS);
        ticks.fetch_add(6, Ordering::Relaxed);
        assert_eq!(clocks.charge(), Err(LimitHit::Cpu));
    }

    #[tokio::test]
    async fn calling_the_host_at_each_tick_hides_nothing() {
        let (clocks, ticks) = clocks();
        clocks.start(&LIMITS);
        for _ in 0..6 {
            ticks.fetch_add(1, Ordering::Relaxed);
            drop(clocks.host_works());
        }
        assert_eq!(clocks.charge(), Err(LimitHit::Cpu));
    }

    #[tokio::test]
    async fn the_wall_clock_stands_still_while_it_is_stopped_and_goes_on_where_it_stood() {
        let limits = Limits { wall_ms: 40, ..LIMITS };
        let clocks = Clocks::new(Arc::default(), &limits);
        clocks.start(&limits);
        let deadline = clocks.state().deadline;
        let pause = Duration::from_millis(200);
        let work = async {
            let stopped = clocks.stop();
            tokio::time::sleep(pause).await;
            drop(stopped);
        };
        assert_eq!(clocks.watch(work).await, Ok(()));
        assert!(clocks.state().deadline >= deadline + pause);
        assert_eq!(clocks.watch(std::future::pending::<()>()).await, Err(Late));
    }

    #[tokio::test]
    async fn waiting_for_the_host_otherwise_counts() {
        let limits = Limits { wall_ms: 20, ..LIMITS };
        let clocks = Clocks::new(Arc::default(), &limits);
        clocks.start(&limits);
        let work = async {
            let _works = clocks.host_works();
            std::future::pending::<()>().await;
        };
        assert_eq!(clocks.watch(work).await, Err(Late));
    }
}
