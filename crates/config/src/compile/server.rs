//! Sense of the `server` section.

use super::Compiler;
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::server::Server;

impl Compiler<'_> {
    pub(super) fn server(&mut self, server: &Server) {
        const DAY: u64 = 24 * 3600 * 1000;
        let times = [
            ("header_read_timeout", server.header_read_timeout),
            ("body_read_timeout", server.body_read_timeout),
            ("connect_timeout", server.connect_timeout),
            ("first_byte_timeout", server.first_byte_timeout),
            ("stream_idle_timeout", server.stream_idle_timeout),
        ];
        for (name, time) in times {
            if time.millis() == 0 || time.millis() > DAY {
                let what = format!("`{name}` must be from 1ms to 1d");
                self.say(Diagnostic::new(codes::OUT_OF_RANGE, what), &["server", name]);
            }
        }
        let sizes = [
            ("max_body", server.max_body.bytes(), 1 << 10, 4 << 30),
            ("max_header_bytes", server.max_header_bytes.bytes(), 1 << 10, 1 << 20),
            ("max_url", server.max_url.bytes(), 1 << 8, 1 << 20),
        ];
        for (name, bytes, least, most) in sizes {
            if bytes < least || bytes > most {
                let (least, most) = (crate::units::Size::from_bytes(least), crate::units::Size::from_bytes(most));
                let what = format!("`{name}` must be from {least} to {most}");
                self.say(Diagnostic::new(codes::OUT_OF_RANGE, what), &["server", name]);
            }
        }
        if let Some(period) = server.stream_keepalive.period()
            && (period.millis() < 100 || period.millis() > 600_000)
        {
            let what = "`stream_keepalive` must be `off` or from 100ms to 10m";
            self.say(Diagnostic::new(codes::OUT_OF_RANGE, what), &["server", "stream_keepalive"]);
        }
        self.within(server.max_json_depth, 8, 512, &["server", "max_json_depth"]);
        if let Some(workers) = server.workers {
            self.within(workers.get(), 1, 1024, &["server", "workers"]);
        }
        if server.admin_token_sha256.is_some() && server.admin_token().is_none() {
            let what = "`admin_token_sha256` is 64 hexadecimal digits";
            let diagnostic = Diagnostic::new(codes::BAD_VALUE, what).remedy("printf %s \"$TOKEN\" | sha256sum");
            self.say(diagnostic, &["server", "admin_token_sha256"]);
        }
        if server.admin_token_sha256.is_some() && server.admin_listen.is_none() {
            let what = "`admin_token_sha256` says nothing without `admin_listen`, where the token would be taken";
            self.say(Diagnostic::new(codes::BAD_VALUE, what), &["server", "admin_token_sha256"]);
        }
        if let Some(admin) = server.admin_listen
            && server.listen.addresses().contains(&admin.socket())
            && admin.socket().port() != 0
        {
            let what = "`admin_listen` is one of the addresses of `listen`; leave it out to have both on one address";
            self.say(Diagnostic::new(codes::BAD_VALUE, what), &["server", "admin_listen"]);
        }
    }
}
