// What an exchange (session/forward.cpp) does otherwise where the client or the origin is a stream
// of HTTP/2. Nothing of it does anything where neither is. Thread: the worker's.
#pragma once

#include <string_view>

#include "base/error.h"
#include "http/forward.h"
#include "session/connection.h"

namespace penstock::session {

// The request's head goes by the origin's stream. False: it has none.
bool ask_by_stream(Connection& c, std::string_view head);

// All of the request's body has been given to the origin's stream: its end follows once the client
// has come to it, with what it says behind; at once where a service of ICAP has `changed` the
// request, which ends with its body.
void end_request_of_stream(Connection& c, bool changed);

// How the origin answers.
http::AnswerWay answer_way(const Connection& c);

// Why it has not.
Error no_answer(const Connection& c, int sys_errno);

// All of the answer's body has been given to the client's stream: its end follows, with what the
// origin says behind, unless a service has `changed` the answer. False: it has not been said yet.
bool end_answer(Connection& c, bool changed);

}  // namespace penstock::session
