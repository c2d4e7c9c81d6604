//! An async mutual exclusion without a runtime: first come, first served, and a waiter that gives up leaves the queue.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The lock. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct AsyncLock(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    held: bool,
    next_ticket: u64,
    waiting: VecDeque<(u64, Waker)>,
}

/// Holds the lock until it is dropped.
#[derive(Debug)]
pub(super) struct LockGuard(AsyncLock);

/// Waits for the lock.
#[derive(Debug)]
pub(super) struct Acquire {
    lock: AsyncLock,
    ticket: Option<u64>,
}

impl AsyncLock {
    /// A future that holds the lock when it is ready.
    pub(super) fn acquire(&self) -> Acquire {
        Acquire { lock: self.clone(), ticket: None }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn front(&self) -> Option<Waker> {
        self.waiting.front().map(|(_, waker)| waker.clone())
    }
}

impl Future for Acquire {
    type Output = LockGuard;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<LockGuard> {
        let lock = self.lock.clone();
        let mut queue = lock.queue();
        let my_turn = match self.ticket {
            None => queue.waiting.is_empty(),
            Some(ticket) => queue.waiting.front().is_some_and(|(first, _)| *first == ticket),
        };
        if my_turn && !queue.held {
            if self.ticket.take().is_some() {
                queue.waiting.pop_front();
            }
            queue.held = true;
            drop(queue);
            return Poll::Ready(LockGuard(lock));
        }
        match self.ticket {
            Some(ticket) => {
                if let Some(entry) = queue.waiting.iter_mut().find(|(t, _)| *t == ticket) {
                    entry.1.clone_from(context.waker());
                }
            }
            None => {
                let ticket = queue.next_ticket;
                queue.next_ticket += 1;
                queue.waiting.push_back((ticket, context.waker().clone()));
                self.ticket = Some(ticket);
            }
        }
        Poll::Pending
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let mut queue = self.lock.queue();
        queue.waiting.retain(|(t, _)| *t != ticket);
        // The wake-up may have been meant for the one who gives up: pass it on.
        let next = if queue.held { None } else { queue.front() };
        drop(queue);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.held = false;
        let next = queue.front();
        drop(queue);
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{block_on, join_all, poll_once};

    #[test]
    fn one_holds_it_and_the_rest_come_in_order() {
        block_on(async {
            let lock = AsyncLock::default();
            let first = lock.acquire().await;
            let (mut second, mut third) = (lock.acquire(), lock.acquire());
            assert!(poll_once(&mut second).await.is_none());
            assert!(poll_once(&mut third).await.is_none());
            drop(first);
            assert!(poll_once(&mut third).await.is_none(), "the second comes before the third");
            let second = poll_once(&mut second).await.expect("free");
            assert!(poll_once(&mut third).await.is_none());
            drop(second);
            assert!(poll_once(&mut third).await.is_some());
        });
    }

    #[test]
    fn a_waiter_that_gives_up_stops_nobody() {
        block_on(async {
            let lock = AsyncLock::default();
            let first = lock.acquire().await;
            let (mut quitter, mut patient) = (lock.acquire(), lock.acquire());
            assert!(poll_once(&mut quitter).await.is_none());
            assert!(poll_once(&mut patient).await.is_none());
            drop(first);
            drop(quitter);
            assert!(poll_once(&mut patient).await.is_some());
        });
    }

    #[test]
    fn threads_never_hold_it_together_and_all_get_it() {
        let lock = AsyncLock::default();
        let shared = Arc::new(Mutex::new((0_u32, 0_u32)));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let (lock, shared) = (lock.clone(), shared.clone());
                scope.spawn(move || {
                    block_on(join_all((0..50).map(|_| async {
                        let _guard = lock.acquire().await;
                        shared.lock().unwrap().0 += 1;
                        assert_eq!(shared.lock().unwrap().0, 1, "held twice");
                        std::thread::yield_now();
                        let mut state = shared.lock().unwrap();
                        state.0 -= 1;
                        state.1 += 1;
                    })));
                });
            }
        });
        assert_eq!(*shared.lock().unwrap(), (0, 400));
    }
}
