//! Kept: a token that is kept while it is valid, and renewed before it ends. Whoever asks while it is to be renewed gets the new
//! one; one at a time asks for it, and all others go on with the old one meanwhile. So nothing runs between sign-ins.

use super::config::OAuthConfig;
use super::token::{Token, TokenError, TokenSource};
use crate::clock::now_ms;
use async_trait::async_trait;
use std::sync::PoisonError;
use tokio::time::Instant;

/// Pause after a renewal that failed while the old token is still valid, as in Java.
const PAUSE_MS: i64 = 10_000;

/// Where a new token comes from; whoever implements it ends within bounded time.
#[async_trait]
pub(super) trait Fetch: Send + Sync {
    async fn fetch(&self) -> Result<Token, TokenError>;
}

/// When a token is renewed: `sasl.login.refresh.…`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    factor: f64,
    jitter: f64,
    min_period_ms: i64,
    buffer_ms: i64,
}

impl Window {
    pub(super) fn new(config: &OAuthConfig) -> Self {
        Window {
            factor: config.window_factor,
            jitter: config.window_jitter,
            min_period_ms: i64::from(config.min_period_seconds) * 1_000,
            buffer_ms: i64::from(config.buffer_seconds) * 1_000,
        }
    }

    /// When to renew a token gotten `now`, as Java's login thread reckons. `random` is within 0 and 1.
    fn renew_at(&self, now: i64, expires_at: i64, random: f64) -> i64 {
        let life = expires_at.saturating_sub(now).max(0);
        let share = self.factor + self.jitter * random;
        let proposed = now.saturating_add((life as f64 * share) as i64);
        if self.min_period_ms + self.buffer_ms > life {
            return proposed;
        }
        let latest = expires_at.saturating_sub(self.buffer_ms);
        proposed.min(latest).max(now + self.min_period_ms)
    }
}

struct Held {
    token: Token,
    renew_at: i64,
    expires_at: i64,
}

/// What is known of the last attempts; who holds it is the one that asks.
#[derive(Default)]
struct Attempts {
    not_before: i64,
    last_failure: Option<(Instant, TokenError)>,
}

pub(super) struct Kept<S> {
    source: S,
    window: Window,
    held: std::sync::Mutex<Option<Held>>,
    attempts: tokio::sync::Mutex<Attempts>,
}

enum Found {
    Good(Token),
    /// Valid, and to be renewed.
    Old(Token),
    Nothing,
}

impl<S: Fetch> Kept<S> {
    pub(super) fn new(source: S, window: Window) -> Self {
        Kept {
            source,
            window,
            held: std::sync::Mutex::default(),
            attempts: tokio::sync::Mutex::default(),
        }
    }

    fn found(&self, now: i64) -> Found {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held {
            Some(held) if now < held.renew_at.min(held.expires_at) => {
                Found::Good(held.token.clone())
            }
            Some(held) if now < held.expires_at => Found::Old(held.token.clone()),
            Some(_) | None => Found::Nothing,
        }
    }

    async fn renew(&self, attempts: &mut Attempts) -> Result<Token, TokenError> {
        match self.source.fetch().await {
            Ok(token) => {
                let now = now_ms();
                let held = token.expires_at.map(|expires_at| Held {
                    token: token.clone(),
                    renew_at: self.window.renew_at(now, expires_at, rand::random()),
                    expires_at,
                });
                *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
                *attempts = Attempts::default();
                Ok(token)
            }
            Err(error) => {
                attempts.not_before = now_ms() + PAUSE_MS;
                attempts.last_failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }
}

#[async_trait]
impl<S: Fetch> TokenSource for Kept<S> {
    async fn token(&self, _: &str) -> Result<Token, TokenError> {
        let asked = Instant::now();
        let old = match self.found(now_ms()) {
            Found::Good(token) => return Ok(token),
            Found::Old(token) => token,
            Found::Nothing => {
                let mut attempts = self.attempts.lock().await;
                if let Found::Good(token) | Found::Old(token) = self.found(now_ms()) {
                    return Ok(token);
                }
                // Whoever asked while we waited was told no; so are we.
                return match &attempts.last_failure {
                    Some((at, error)) if *at > asked => Err(error.clone()),
                    Some(_) | None => self.renew(&mut attempts).await,
                };
            }
        };
        let Ok(mut attempts) = self.attempts.try_lock() else {
            return Ok(old);
        };
        if now_ms() < attempts.not_before {
            return Ok(old);
        }
        match self.renew(&mut attempts).await {
            Ok(token) => Ok(token),
            // It may have ended while the new one was waited for.
            Err(error) => match self.found(now_ms()) {
                Found::Good(token) | Found::Old(token) => {
                    tracing::warn!(
                        error = error.why,
                        "cannot renew the token, the one at hand is used while it is valid"
                    );
                    Ok(token)
                }
                Found::Nothing => Err(error),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    const WINDOW: Window = Window {
        factor: 0.8,
        jitter: 0.05,
        min_period_ms: 60_000,
        buffer_ms: 300_000,
    };

    #[test]
    fn renews_when_java_does() {
        let minutes = |m: i64| m * 60_000;
        let at = |life: i64| WINDOW.renew_at(1_000, 1_000 + life, 0.0) - 1_000;
        // Four fifths of an hour are within the last five minutes' bound.
        assert_eq!(at(minutes(60)), minutes(48));
        // The buffer of five minutes comes first.
        assert_eq!(at(minutes(10)), minutes(5));
        // Both bounds do not fit in.
        assert_eq!(at(minutes(5)), minutes(4));
        assert_eq!(at(3_000), 2_400);
        assert_eq!(WINDOW.renew_at(0, 3_000, 1.0), 2_550);
        assert_eq!(at(-5), 0);
        assert!(WINDOW.renew_at(i64::MAX - 5, i64::MAX, 1.0) >= 0);
        let late = Window {
            min_period_ms: 600_000,
            buffer_ms: 0,
            ..WINDOW
        };
        assert_eq!(late.renew_at(0, minutes(11), 0.0), minutes(10));
    }

    /// Answers with the number of the question; from one on it fails.
    struct Endpoint {
        asked: Arc<AtomicU32>,
        life: i64,
        fails_from: u32,
    }

    #[async_trait]
    impl Fetch for Endpoint {
        async fn fetch(&self) -> Result<Token, TokenError> {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let number = self.asked.fetch_add(1, Ordering::SeqCst);
            if number >= self.fails_from {
                return Err(TokenError::transient("away"));
            }
            Ok(Token {
                value: number.to_string(),
                extensions: Vec::new(),
                expires_at: Some(now_ms() + self.life),
            })
        }
    }

    fn kept(life: i64, fails_from: u32) -> (Kept<Endpoint>, Arc<AtomicU32>) {
        let asked = Arc::new(AtomicU32::new(0));
        let endpoint = Endpoint {
            asked: Arc::clone(&asked),
            life,
            fails_from,
        };
        (Kept::new(endpoint, WINDOW), asked)
    }

    async fn ask_often(source: &Kept<Endpoint>) -> Vec<Result<String, TokenError>> {
        let asking = (0..20).map(|_| source.token("b"));
        let got = futures::future::join_all(asking).await;
        got.into_iter().map(|t| t.map(|t| t.value)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn many_ask_and_one_request_is_made() {
        let (source, asked) = kept(3_600_000, u32::MAX);
        for _ in 0..2 {
            for got in ask_often(&source).await {
                assert_eq!(got, Ok("0".to_owned()));
            }
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_to_all_who_wait_and_asked_again_by_the_next() {
        let (source, asked) = kept(3_600_000, 0);
        for times in 1..=2 {
            for got in ask_often(&source).await {
                assert_eq!(got, Err(TokenError::transient("away")));
            }
            assert_eq!(asked.load(Ordering::SeqCst), times);
        }
    }

    /// The wall clock goes on by itself here: a token of no length is to be renewed at once, and one that nobody dates never kept.
    #[tokio::test(start_paused = true)]
    async fn an_old_token_serves_until_there_is_a_new_one() {
        let asked = Arc::new(AtomicU32::new(0));
        let endpoint = Endpoint {
            asked: Arc::clone(&asked),
            life: 3_600_000,
            fails_from: 1,
        };
        let at_once = Window {
            factor: 0.0,
            jitter: 0.0,
            min_period_ms: 0,
            buffer_ms: 0,
        };
        let source = Kept::new(endpoint, at_once);
        assert_eq!(source.token("b").await.unwrap().value, "0");
        // The renewal fails, and is not tried again for a while.
        for _ in 0..3 {
            assert_eq!(source.token("b").await.unwrap().value, "0");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    /// Gives one token, and then fails once that has ended.
    struct Slow(std::sync::Mutex<Option<i64>>);

    #[async_trait]
    impl Fetch for Slow {
        async fn fetch(&self) -> Result<Token, TokenError> {
            let given = *self.0.lock().unwrap();
            if let Some(end) = given {
                while now_ms() <= end {
                    tokio::task::yield_now().await;
                }
                return Err(TokenError::transient("away"));
            }
            let end = now_ms() + 50;
            *self.0.lock().unwrap() = Some(end);
            Ok(Token {
                value: "0".to_owned(),
                extensions: Vec::new(),
                expires_at: Some(end),
            })
        }
    }

    /// The broker would refuse it for good, and what is away may come back.
    #[tokio::test]
    async fn an_old_token_that_ends_during_its_renewal_is_not_used() {
        let at_once = Window {
            factor: 0.0,
            jitter: 0.0,
            min_period_ms: 0,
            buffer_ms: 0,
        };
        let source = Kept::new(Slow(std::sync::Mutex::default()), at_once);
        assert_eq!(source.token("b").await.unwrap().value, "0");
        let got = source.token("b").await;
        assert_eq!(
            got.map(|token| token.value),
            Err(TokenError::transient("away"))
        );
    }
}
