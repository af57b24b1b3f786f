//! A job's preprocessed source on its way.

use std::io;
use std::os::fd::BorrowedFd;
use std::process::ExitStatus;
use std::time::Duration;

use compiler_args::Job;
use wire::Exit;

use crate::preprocess::{Preprocessed, Preprocessing, Progress};
use crate::{Context, slots};

/// How far the source is. It is preprocessed once, however many hosts are tried.
pub(crate) enum Source {
    /// Nothing has been done for it.
    NotStarted,
    /// The preprocessor is at work, or has ended and not been asked yet.
    Running(Preprocessing),
    /// It can be sent.
    Ready(Preprocessed),
}

/// What a wait for the source ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    /// It can be sent: see [`Source::preprocessed`].
    Ready,
    /// The server spoke before it was there.
    PeerSpoke,
}

/// Why there is no preprocessed source.
pub(crate) enum Unready {
    /// The preprocessor failed.
    Failed(ExitStatus),
    /// The source, preprocessed already, cannot be read.
    NoFile,
    /// The preprocessor could not be listened to.
    Broken(io::Error),
}

impl Source {
    /// Starts the preprocessor while there is no host yet, if one more may run here now.
    pub(crate) fn start_ahead(
        &mut self,
        context: &Context,
        job: &Job,
        n_slots: u32,
    ) -> Result<(), Exit> {
        let (Source::NotStarted, Some(words)) = (&*self, &job.preprocess) else { return Ok(()) };
        if let Some(place) = slots::try_local(context, n_slots) {
            *self = Source::Running(Preprocessing::start(context, words, place.lock)?);
        }
        Ok(())
    }

    /// Starts the preprocessor, if it has not been started, once there is a slot for it.
    pub(crate) fn start(&mut self, context: &Context, job: &Job, n_slots: u32) -> Result<(), Exit> {
        if let (Source::NotStarted, Some(words)) = (&*self, &job.preprocess) {
            let lock = slots::wait_local(context, n_slots);
            *self = Source::Running(Preprocessing::start(context, words, lock)?);
        }
        Ok(())
    }

    /// Takes in what the preprocessor has written, or sleeps.
    pub(crate) fn pass_time(&mut self, pause: Duration) {
        if let Source::Running(running) = self
            && let Ok(Progress::Running) = running.advance(None, Some(pause))
        {
            return;
        }
        std::thread::sleep(pause);
    }

    /// Waits for the source, unless the server, at `peer`, has something to say first.
    pub(crate) fn finish(&mut self, job: &Job, peer: BorrowedFd<'_>) -> Result<Finished, Unready> {
        while let Source::Running(running) = self {
            match running.advance(Some(peer), None).map_err(Unready::Broken)? {
                Progress::Running => {}
                Progress::PeerSpoke => return Ok(Finished::PeerSpoke),
                Progress::Done => self.take_over()?,
            }
        }
        if let Source::NotStarted = self {
            let text = std::fs::read(&job.source).map_err(|_| Unready::NoFile)?;
            *self = Source::Ready(Preprocessed { text, messages: Vec::new() });
        }
        Ok(Finished::Ready)
    }

    /// Takes over from a preprocessor that has written everything.
    fn take_over(&mut self) -> Result<(), Unready> {
        if let Source::Running(running) = std::mem::replace(self, Source::NotStarted) {
            let (status, preprocessed) = running.finish().map_err(Unready::Broken)?;
            if !status.success() {
                return Err(Unready::Failed(status));
            }
            *self = Source::Ready(preprocessed);
        }
        Ok(())
    }

    /// The source, once it is there.
    pub(crate) fn preprocessed(&self) -> Option<&Preprocessed> {
        match self {
            Source::Ready(preprocessed) => Some(preprocessed),
            Source::NotStarted | Source::Running(_) => None,
        }
    }
}
