//! One connection: from request to answer, and on to the next.

use core::net::{IpAddr, SocketAddr};
use core::ops::ControlFlow;

use embedded_nal::TcpFullStack;
use smoltcp::time::Instant;
use tapboard_net::earliest;
use tapboard_net::netstat::Introspect;

use super::Context;
use super::page::{FIELDS as PAGE_FIELDS, PAGE};
use super::report::{Format, Report};
use super::request::{Method, Progress, Reader, Resource};
use super::status::Status;
use crate::board::Board;
use crate::buffer_access::BufferAccess;
use crate::config::{
    HTTP_ANSWER_TIME, HTTP_CONTENT, HTTP_EVENT_INTERVAL, HTTP_IDLE, HTTP_IDLE_FULL, HTTP_INPUT,
    HTTP_LINGER, HTTP_OUTPUT, HTTP_PART, HTTP_REQUEST_TIME, HTTP_STREAMS, LOGIN_DELAY,
    LOGIN_FAILURES, SERVICE_BUDGET,
};
use crate::service::access::{Attempt, Verdict};
use crate::service::buffer::{Buffer, send};
use crate::service::server::{Connection, Stop, drain};

/// What a connection is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// A request's head is read.
    Head,
    /// Its content is, so many more bytes.
    Content(usize),
    /// It is complete since then, and what comes of it is to be decided.
    Decide(Instant),
    /// Its token was wrong, which is said at the deadline.
    Refuse,
    /// Bytes that are there already are sent.
    Bytes(&'static [u8]),
    /// A report is sent, in chunks or up to the end of the connection.
    Report { report: Report, chunked: bool },
    /// As one event after another, the next of which is due then.
    Event { report: Report, next: Instant },
    /// The answer is complete.
    Answered,
    /// The connection ends once the peer has closed it, or at the deadline.
    Linger,
}

/// One connection of the server.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) phase: Phase,
    pub(super) reader: Reader,
    input: Buffer<HTTP_INPUT>,
    pub(super) output: Buffer<HTTP_OUTPUT>,
    /// Its first turn.
    pub(super) since: Instant,
    /// When what is going on has to be over; until it is known, `None`.
    pub(super) deadline: Option<Instant>,
    /// The connection ends with this answer,
    pub(super) ends: bool,
    /// and what the peer may still send of its request is read away.
    lingers: bool,
    pub(super) requests: u8,
    failures: u8,
    /// Whose it is.
    address: IpAddr,
}

impl<S, B> Connection<S, Context<'_, B>> for Session
where
    S: TcpFullStack + BufferAccess + Introspect,
    B: Board,
{
    fn new(remote: SocketAddr) -> Self {
        Self {
            phase: Phase::Head,
            reader: Reader::default(),
            input: Buffer::new(),
            output: Buffer::new(),
            since: Instant::ZERO,
            deadline: None,
            ends: false,
            lingers: false,
            requests: 0,
            failures: 0,
            address: remote.ip(),
        }
    }

    fn serve(
        &mut self,
        stack: &mut S,
        socket: &mut S::TcpSocket,
        context: &mut Context<'_, B>,
    ) -> ControlFlow<Stop> {
        let turn = self.turn(stack, socket, context);
        match turn {
            ControlFlow::Break(Stop::Idle) => {
                context.deadline = earliest(context.deadline, self.deadline);
            }
            ControlFlow::Break(Stop::Done) if matches!(self.phase, Phase::Event { .. }) => {
                *context.streams -= 1;
            }
            _ => {}
        }
        turn
    }
}

impl Session {
    fn turn<S, B>(
        &mut self,
        stack: &mut S,
        socket: &mut S::TcpSocket,
        context: &mut Context<'_, B>,
    ) -> ControlFlow<Stop>
    where
        S: TcpFullStack + BufferAccess + Introspect,
        B: Board,
    {
        self.watch(context)?;
        let mut spent = 0;
        loop {
            spent += self.output.flush(stack, socket)?;
            if spent >= SERVICE_BUDGET - HTTP_OUTPUT {
                return ControlFlow::Continue(());
            }
            match &mut self.phase {
                Phase::Head | Phase::Content(_) => {
                    if let Some(byte) = self.input.pop() {
                        spent += 1;
                        self.take(byte, context);
                    } else if self.input.fill(stack, socket, HTTP_INPUT)? == 0 {
                        return ControlFlow::Break(Stop::Done);
                    }
                }
                Phase::Decide(since) => {
                    let since = *since;
                    self.decide(since, stack, context)?;
                }
                Phase::Refuse => return ControlFlow::Break(Stop::Idle),
                Phase::Bytes([]) => self.phase = Phase::Answered,
                Phase::Bytes(bytes) => {
                    let sent = send(stack, socket, bytes)?;
                    spent += sent;
                    *bytes = &bytes[sent..];
                }
                Phase::Report { .. } => self.report(stack, context),
                Phase::Event { .. } => self.event(stack, socket, context)?,
                Phase::Answered if !self.ends => self.go_on(context),
                Phase::Answered if self.lingers => {
                    self.phase = Phase::Linger;
                    self.deadline = Some(context.facts.now + HTTP_LINGER);
                }
                // With something unread, the end would be a reset, and the answer be lost with it.
                Phase::Answered => {
                    let _ = drain(stack, socket);
                    return ControlFlow::Break(Stop::Done);
                }
                Phase::Linger => return drain(stack, socket),
            }
        }
    }

    /// Ends what has had its time.
    fn watch<B>(&mut self, context: &Context<'_, B>) -> ControlFlow<Stop> {
        let now = context.facts.now;
        let idle = matches!(self.phase, Phase::Head) && self.reader.is_empty();
        // Not less: who was not told that it ends may have sent its next request, and gets a reset.
        let patience = if context.awaited || context.full { HTTP_IDLE_FULL } else { HTTP_IDLE };
        // There is none in the first turn.
        if self.deadline.is_none() {
            self.since = now;
        }
        let mut deadline = self.deadline.unwrap_or(now + HTTP_IDLE);
        if idle && self.requests > 0 {
            deadline = deadline.min(now + patience);
        }
        self.deadline = Some(deadline);
        if now < deadline {
            return ControlFlow::Continue(());
        }
        match self.phase {
            Phase::Head | Phase::Content(_) if !idle => self.fail(Status::RequestTimeout, context),
            Phase::Refuse => {
                self.ends |= self.failures >= LOGIN_FAILURES;
                self.answer(Status::Unauthorized, context);
            }
            // Its turn has come, or the next event's.
            Phase::Decide(_) => {}
            Phase::Event { report, .. } if report.is_complete() && self.output.is_empty() => {}
            _ => return ControlFlow::Break(Stop::Done),
        }
        ControlFlow::Continue(())
    }

    /// A byte of a request.
    fn take<B>(&mut self, byte: u8, context: &Context<'_, B>) {
        if let Phase::Content(left) = &mut self.phase {
            *left -= 1;
            let done = *left == 0;
            self.reader.keep(byte);
            if done {
                self.phase = Phase::Decide(context.facts.now);
            }
            return;
        }
        if self.reader.size() == 0 {
            self.deadline = Some(context.facts.now + HTTP_REQUEST_TIME);
        }
        match self.reader.feed(byte, context.access) {
            Progress::Partial => {}
            Progress::Invalid(status) => self.fail(status, context),
            Progress::Complete => match self.reader.request.length {
                None | Some(0) => self.phase = Phase::Decide(context.facts.now),
                Some(length) if length <= HTTP_CONTENT => self.phase = Phase::Content(length),
                Some(_) => self.fail(Status::ContentTooLarge, context),
            },
        }
    }

    /// Answers a request that is complete since `since`, or waits until it may be.
    fn decide<S: Introspect, B: Board>(
        &mut self,
        since: Instant,
        stack: &S,
        context: &mut Context<'_, B>,
    ) -> ControlFlow<Stop> {
        let request = &self.reader.request;
        if let Err(why) = request.is_of_this_board(context.facts.about.name, stack) {
            self.refuse(Status::Forbidden, why, context);
            return ControlFlow::Continue(());
        }
        let status = match (request.resource, request.method) {
            (Resource::Unknown, _) => Status::NotFound,
            (resource, Method::Post) if resource.takes_post() => {
                return self.change(since, context);
            }
            (resource, Method::Get | Method::Head) if !resource.takes_post() => {
                self.read(resource, context);
                return ControlFlow::Continue(());
            }
            _ => Status::MethodNotAllowed,
        };
        self.answer(status, context);
        ControlFlow::Continue(())
    }

    /// Answers a request that changes something.
    fn change<B: Board>(
        &mut self,
        made: Instant,
        context: &mut Context<'_, B>,
    ) -> ControlFlow<Stop> {
        let request = &self.reader.request;
        let now = context.facts.now;
        if !context.facts.login {
            self.refuse(Status::Forbidden, NO_TOKEN, context);
            return ControlFlow::Continue(());
        }
        let attempt = Attempt { address: self.address, made };
        match context.access.judge(request.credentials, attempt, now) {
            Verdict::Wait(at) => {
                self.deadline = Some(at);
                return ControlFlow::Break(Stop::Idle);
            }
            Verdict::Asked => self.answer(Status::Unauthorized, context),
            Verdict::Refused => {
                self.failures += 1;
                self.phase = Phase::Refuse;
                self.deadline = Some(now + LOGIN_DELAY);
            }
            Verdict::Granted if request.resource == Resource::Login => {
                self.answer(Status::NoContent, context);
            }
            Verdict::Granted => {
                let led = match self.reader.content().trim_ascii() {
                    b"on" => true,
                    b"off" => false,
                    b"toggle" => !context.board.led(),
                    _ => {
                        self.answer(Status::BadRequest, context);
                        return ControlFlow::Continue(());
                    }
                };
                context.board.set_led(led);
                let text = if led { "{\"led\":true}\n" } else { "{\"led\":false}\n" };
                self.head(Status::Ok, "application/json", Some(text.len()), "", context);
                self.phase = Phase::Bytes(text.as_bytes());
            }
        }
        ControlFlow::Continue(())
    }

    /// Answers a request that reads.
    fn read<B>(&mut self, resource: Resource, context: &mut Context<'_, B>) {
        let head_only = self.reader.request.method == Method::Head;
        let chunked = self.reader.request.modern;
        let next = match resource {
            Resource::Page => {
                if self.reader.request.has_page {
                    self.head(Status::NotModified, "", None, PAGE_FIELDS, context);
                    Phase::Answered
                } else {
                    let (kind, length) = ("text/html; charset=utf-8", PAGE.len());
                    self.head(Status::Ok, kind, Some(length), PAGE_FIELDS, context);
                    Phase::Bytes(PAGE)
                }
            }
            Resource::Events if *context.streams >= HTTP_STREAMS && !head_only => {
                return self.refuse(Status::ServiceUnavailable, TAKEN, context);
            }
            Resource::Events => {
                // It ends when the connection does.
                self.ends = true;
                self.head(Status::Ok, "text/event-stream", None, "", context);
                *context.streams += u8::from(!head_only);
                Phase::Event { report: Report::COMPLETE, next: context.facts.now }
            }
            _ => {
                let (format, kind) = match resource {
                    Resource::Metrics => (Format::Metrics, "text/plain; version=0.0.4"),
                    _ => (Format::Json, "application/json"),
                };
                self.ends |= !chunked;
                let coding = if chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
                self.head(Status::Ok, kind, None, coding, context);
                Phase::Report { report: Report::new(format), chunked }
            }
        };
        self.phase = if head_only { Phase::Answered } else { next };
    }

    /// The next chunk of a report.
    fn report<S: Introspect, B: Board>(&mut self, stack: &S, context: &mut Context<'_, B>) {
        let Phase::Report { mut report, chunked } = self.phase else { return };
        if report.is_complete() {
            self.phase = Phase::Answered;
            return;
        }
        if chunked {
            self.output.push(SIZE);
        }
        self.fill(&mut report, stack, context);
        if chunked {
            let chunk = self.output.waiting();
            let size = chunk.len() - SIZE.len();
            for (place, shift) in chunk.iter_mut().zip([8, 4, 0]) {
                *place = b"0123456789abcdef"[size >> shift & 15];
            }
            if size == 0 {
                // That would be the end.
                self.output.clear();
            } else {
                self.output.push(b"\r\n");
            }
            if report.is_complete() {
                self.output.push(b"0\r\n\r\n");
            }
        }
        self.phase = Phase::Report { report, chunked };
    }

    /// The next piece of an event, or of the time until the next one.
    fn event<S: TcpFullStack + BufferAccess + Introspect, B: Board>(
        &mut self,
        stack: &mut S,
        socket: &mut S::TcpSocket,
        context: &mut Context<'_, B>,
    ) -> ControlFlow<Stop> {
        let now = context.facts.now;
        let Phase::Event { mut report, mut next } = self.phase else {
            return ControlFlow::Continue(());
        };
        if report.is_complete() {
            if now < next {
                self.deadline = Some(next);
                // All that can come is its end.
                return match drain(stack, socket) {
                    ControlFlow::Continue(()) => ControlFlow::Break(Stop::Idle),
                    stop @ ControlFlow::Break(_) => stop,
                };
            }
            report = Report::new(Format::Json);
            next = now + HTTP_EVENT_INTERVAL;
            self.deadline = Some(now + HTTP_ANSWER_TIME);
            self.output.push(b"data: ");
        }
        self.fill(&mut report, stack, context);
        if report.is_complete() {
            self.output.push(b"\n\n");
        }
        self.phase = Phase::Event { report, next };
        ControlFlow::Continue(())
    }

    /// As many parts as there is room for.
    fn fill<S: Introspect, B: Board>(
        &mut self,
        report: &mut Report,
        stack: &S,
        context: &mut Context<'_, B>,
    ) {
        let Context { facts, board, .. } = context;
        while !report.is_complete() && self.output.waiting().len() + HTTP_PART + END <= HTTP_OUTPUT
        {
            let written = report.write(&mut self.output, stack, *board, facts);
            debug_assert!(written.is_ok(), "HTTP_PART holds the longest part");
        }
    }

    /// Waits for the next request.
    fn go_on<B>(&mut self, context: &Context<'_, B>) {
        self.phase = Phase::Head;
        self.reader = Reader::default();
        self.deadline = Some(context.facts.now + HTTP_IDLE);
    }

    /// Answers a request that cannot be read to its end.
    fn fail<B>(&mut self, status: Status, context: &Context<'_, B>) {
        (self.ends, self.lingers) = (true, true);
        self.answer(status, context);
    }
}

/// Why nothing is changed,
const NO_TOKEN: &str = "the board has no token: nothing is changed over HTTP\n";

/// and why there are no events.
const TAKEN: &str = "others have all streams of events; /api/status is for all\n";

/// The size of a chunk, which is not known yet (RFC 9112 7.1).
const SIZE: &[u8] = b"000\r\n";

/// What may be behind the last part of a report: the end of its chunk, and the last chunk.
const END: usize = "\r\n0\r\n\r\n".len();

const _: () = assert!(SIZE.len() + HTTP_PART + END <= HTTP_OUTPUT && HTTP_OUTPUT < 0x1000);
