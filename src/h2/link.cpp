#include "h2/link.h"

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstdlib>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/wiping_memory.h"

namespace penstock::h2 {
namespace {

// Frames that may follow a HEADERS to make one block: 16 KiB each, while a head has 16 KiB in all
// (CVE-2024-28182 had no limit).
constexpr size_t kContinuations = 8;
// Answers to pings and settings that may lie in line for somebody who does not read
// (CVE-2019-9512, -9515).
constexpr size_t kAnswersWaiting = 128;
// Of what we send; a head of HTTP/1.1 has 1 MiB at most.
constexpr size_t kBlockBytesMax = size_t{4} << 20;
// A header list beyond this multiple of what is allowed is no mistake.
constexpr size_t kBombFactor = 8;
// Frames that carry nothing: PING, SETTINGS, PRIORITY, empty DATA, WINDOW_UPDATE.
constexpr uint64_t kIdleFramesAtOnce = 1024;
constexpr admission::Ration kIdleFrames{100};
// A stream that takes its window twice in less time is worth a wider one.
constexpr Duration kBusy = std::chrono::seconds(1);
// The other side may open its windows once for so many bytes that it was sent, twice for each
// frame.
constexpr size_t kBytesPerWindowUpdate = 512;

// What nghttp2 gives back is wiped: among it are the fields of requests, with their credentials.
void* take_memory(size_t size, void*) {
  return std::malloc(size);
}
void give_back(void* memory, void*) {
  wiping_free(memory);
}
void* take_zeroed(size_t count, size_t size, void*) {
  return std::calloc(count, size);
}
void* take_again(void* memory, size_t size, void*) {
  return wiping_realloc(memory, size);
}

// GOAWAY by hand (RFC 9113 section 6.8).
std::vector<uint8_t> goaway(Reset why) {
  std::vector<uint8_t> out = {0, 0, 8, NGHTTP2_GOAWAY, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  out.push_back(static_cast<uint8_t>(why));
  return out;
}

// They point into `fields`.
std::vector<nghttp2_nv> lines_of(const std::vector<Field>& fields) {
  std::vector<nghttp2_nv> lines;
  lines.reserve(fields.size());
  for (const Field& field : fields) {
    // SAFETY: nghttp2 copies them and changes nothing.
    auto* const name = const_cast<uint8_t*>(bytes_of(field.name).data());
    auto* const value = const_cast<uint8_t*>(bytes_of(field.value).data());
    lines.push_back({name, value, field.name.size(), field.value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  return lines;
}

std::vector<nghttp2_settings_entry> settings_of(bool server, const Limits& limits) {
  std::vector<nghttp2_settings_entry> out = {{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0}};
  if (server) {
    out.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streams});
  } else {
    out.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  out.push_back({NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.window});
  out.push_back({NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits.head.bytes)});
  // Its priorities are a tree that clients may rebuild at will (CVE-2019-9513).
  if (server) out.push_back({NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1});
  return out;
}

}  // namespace

void Link::Close::operator()(nghttp2_session* session) const {
  nghttp2_session_del(session);
}

// nghttp2's callbacks: each finds its session and says there what has happened.
struct Link::Callbacks {
  static Link& of(void* self) { return *static_cast<Link*>(self); }
  static bool is_first(const nghttp2_frame* frame) {
    return frame->headers.cat == NGHTTP2_HCAT_REQUEST ||
           frame->headers.cat == NGHTTP2_HCAT_RESPONSE;
  }

  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* head, void* self) {
    const bool last = (head->flags & NGHTTP2_FLAG_END_STREAM) != 0;
    of(self).note_frame(head->type, head->length, last);
    return 0;
  }
  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    if (frame->hd.type != NGHTTP2_HEADERS || of(self).failure_) return 0;
    of(self).begin_fields(frame->hd.stream_id, is_first(frame));
    return 0;
  }
  static int header(nghttp2_session*, const nghttp2_frame*, const uint8_t* name, size_t name_size,
                    const uint8_t* value, size_t value_size, uint8_t, void* self) {
    Link& link = of(self);
    if (link.failure_) return 0;
    const size_t bytes = link.take_field(text_of({name, name_size}), text_of({value, value_size}));
    if (bytes > kBombFactor * link.limits_.head.bytes) link.give_up(Reset::kEnhanceYourCalm);
    return 0;
  }
  static int frame(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    Link& link = of(self);
    const StreamId id = frame->hd.stream_id;
    const bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (!link.failure_) link.end_fields(id, is_first(frame), last);
        break;
      case NGHTTP2_DATA:
        if (Stream* const stream = link.stream(id); stream && last) {
          link.end_stream(id, *stream, {});
        }
        break;
      case NGHTTP2_RST_STREAM: link.note_reset_received(id); break;
      case NGHTTP2_SETTINGS: link.note_settings(); break;
      case NGHTTP2_GOAWAY: link.note_going(); break;
      default: break;
    }
    return 0;
  }
  static int data(nghttp2_session*, uint8_t, StreamId id, const uint8_t* bytes, size_t size,
                  void* self) {
    Link& link = of(self);
    // The connection's window is open at all times: a stream that stands still holds up no other.
    // What is held is bounded by the streams' windows.
    nghttp2_session_consume_connection(link.session_.get(), size);
    Stream* const stream = link.stream(id);
    if (stream == nullptr) {
      link.consumed(id, size);
    } else if (stream->held_ + size <= stream->window_) {
      if (!link.may_receive(*stream, id, size)) return 0;
      stream->held_ += static_cast<uint32_t>(size);
      stream->received({bytes, size});
    }  // else its reset (FLOW_CONTROL_ERROR) is on its way, and the library gives us more until
       // then
    return 0;
  }
  static int sent(nghttp2_session*, const nghttp2_frame* frame, void* self) {
    Link& link = of(self);
    const uint32_t code = frame->hd.type == NGHTTP2_RST_STREAM ? frame->rst_stream.error_code
                          : frame->hd.type == NGHTTP2_GOAWAY   ? frame->goaway.error_code
                                                               : 0;
    link.note_sent(frame->hd.type, frame->hd.length, code);
    const bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type != NGHTTP2_HEADERS || !last) return 0;
    if (Stream* const stream = link.stream(frame->hd.stream_id)) stream->said_all();
    return 0;
  }
  static int closed(nghttp2_session*, StreamId id, uint32_t code, void* self) {
    Link& link = of(self);
    link.note_closed();
    if (Stream* const stream = link.stream(id)) {
      link.forget(id);
      stream->closed(static_cast<Reset>(code));
    }
    return 0;
  }
  static ssize_t send(nghttp2_session* session, StreamId id, uint8_t* into, size_t size,
                      uint32_t* flags, nghttp2_data_source*, void* self) {
    Stream* const stream = of(self).stream(id);
    if (stream == nullptr) return NGHTTP2_ERR_DEFERRED;  // its reset is on its way
    const Stream::Piece piece = stream->send({into, size});
    if (piece.bytes == 0 && !piece.end) return NGHTTP2_ERR_DEFERRED;
    if (piece.end) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (piece.end && !piece.trailers.empty()) {
      const auto lines = lines_of(piece.trailers);
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      PENSTOCK_CHECK(nghttp2_submit_trailer(session, id, lines.data(), lines.size()) == 0);
    }
    return static_cast<ssize_t>(piece.bytes);
  }

  static nghttp2_session* open(Side side, const Limits& limits, Link* self) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* option = nullptr;
    PENSTOCK_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    PENSTOCK_CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, closed);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_http_messaging(option, 1);  // we judge heads, and say why
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_continuations(option, kContinuations);
    nghttp2_option_set_max_outbound_ack(option, kAnswersWaiting);
    // A head of HTTP/1.1 may be as long as it is allowed to be, and a field counts for more here.
    nghttp2_option_set_max_send_header_block_length(option, kBlockBytesMax);
    // We count resets by what they are of, and by the loop's clock.
    nghttp2_option_set_stream_reset_rate_limit(option, UINT32_MAX, UINT32_MAX);
    nghttp2_mem memory{nullptr, take_memory, give_back, take_zeroed, take_again};
    nghttp2_session* out = nullptr;
    const bool server = side == Side::kServer;
    if (!server) nghttp2_option_set_max_deflate_dynamic_table_size(option, 0);
    const auto make = server ? nghttp2_session_server_new3 : nghttp2_session_client_new3;
    PENSTOCK_CHECK(make(&out, callbacks, self, option, &memory) == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    const auto settings = settings_of(server, limits);
    PENSTOCK_CHECK(nghttp2_submit_settings(out, 0, settings.data(), settings.size()) == 0);
    // It bounds nothing, since it is open at all times: as wide as the widest streams want it.
    const auto window = static_cast<int32_t>(limits.windows_more);
    PENSTOCK_CHECK(nghttp2_session_set_local_window_size(out, 0, 0, window) == 0);
    return out;
  }
};

Link::Link(Side side, const Limits& limits, Words words)
    : limits_(limits),
      words_(words),
      idle_frames_(kIdleFrames, kIdleFramesAtOnce),
      session_(Callbacks::open(side, limits, this)) {}

Link::~Link() = default;

Stream* Link::stream(StreamId id) const {
  return static_cast<Stream*>(nghttp2_session_get_stream_user_data(session_.get(), id));
}

// The connection ends with a GOAWAY, and nothing that follows is understood.
void Link::give_up(Reset why) {
  if (failure_) return;
  failure_ = Error{why == Reset::kEnhanceYourCalm ? words_.flood : words_.broken};
  nghttp2_session_terminate_session(session_.get(), static_cast<uint32_t>(why));
}

void Link::feed(std::span<const uint8_t> bytes, Instant now) {
  if (failure_) return;
  now_ = now;
  const ssize_t taken = nghttp2_session_mem_recv(session_.get(), bytes.data(), bytes.size());
  if (taken >= 0) return;
  broken_ = true;
  PENSTOCK_CHECK(taken != NGHTTP2_ERR_NOMEM);
  const bool flood = taken == NGHTTP2_ERR_FLOODED || taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS;
  if (!failure_) failure_ = Error{flood ? words_.flood : words_.broken};
  last_words_ = goaway(flood ? Reset::kEnhanceYourCalm : Reset::kProtocolError);
  ++goaways_;
}

std::span<const uint8_t> Link::next() {
  if (broken_) {
    if (std::exchange(said_, true)) return {};
    return last_words_;
  }
  const uint8_t* bytes = nullptr;
  const ssize_t count = nghttp2_session_mem_send(session_.get(), &bytes);
  PENSTOCK_CHECK(count >= 0);
  return {bytes, static_cast<size_t>(count)};
}

bool Link::over() const {
  if (broken_) return said_;
  return nghttp2_session_want_read(session_.get()) == 0 &&
         nghttp2_session_want_write(session_.get()) == 0;
}

size_t Link::backlog() const {
  return nghttp2_session_get_outbound_queue_size(session_.get());
}

// The stream of `id`, or of a new one of ours; negative: there is none to be had.
StreamId Link::submit(StreamId id, const std::vector<Field>& fields, Behind behind,
                      Stream* stream) {
  const auto lines = lines_of(fields);
  nghttp2_data_provider body{{}, Callbacks::send};
  const nghttp2_data_provider* const provider = behind == Behind::kBody ? &body : nullptr;
  nghttp2_session* const session = session_.get();
  if (id == 0) {
    return nghttp2_submit_request(session, nullptr, lines.data(), lines.size(), provider, stream);
  }
  if (behind == Behind::kHeads) {
    nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, id, nullptr, lines.data(), lines.size(),
                           nullptr);
  } else {
    nghttp2_submit_response(session, id, lines.data(), lines.size(), provider);
  }
  return id;
}

void Link::resume(StreamId id) {
  if (!broken_)
    nghttp2_session_resume_data(session_.get(), id);  // refuses where it has not come to that
}

void Link::reset(StreamId id, Reset why) {
  if (broken_) return;
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, static_cast<uint32_t>(why));
}

void Link::forget(StreamId id) {
  if (const Stream* const gone = stream(id)) windows_more_ -= gone->window_ - limits_.window;
  nghttp2_session_set_stream_user_data(session_.get(), id, nullptr);
}

void Link::consumed(StreamId id, size_t bytes) {
  if (broken_) return;
  nghttp2_session_consume_stream(session_.get(), id, bytes);
  Stream* const consumer = stream(id);
  if (consumer == nullptr) return;
  consumer->held_ -= static_cast<uint32_t>(bytes);
  widen(id, *consumer, static_cast<uint32_t>(bytes));
}

void Link::widen(StreamId id, Stream& stream, uint32_t taken) {
  if (now_ - stream.since_ > kBusy) {
    stream.since_ = now_;
    stream.taken_ = 0;
  }
  stream.taken_ += taken;
  const uint32_t more = stream.window_;
  if (stream.taken_ < 2 * stream.window_ || stream.held_ > 0) return;
  if (more > limits_.window_max - stream.window_ || more > limits_.windows_more - windows_more_) {
    return;
  }
  windows_more_ += more;
  stream.window_ += more;
  stream.taken_ = 0;
  stream.since_ = now_;
  nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, id,
                                        static_cast<int32_t>(stream.window_));
}

void Link::go_away() {
  if (failure_) return;
  nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_.get()), NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

void Link::note_frame(uint8_t type, size_t length, bool last) {
  switch (type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
    case NGHTTP2_RST_STREAM: return;  // have limits of their own
    case NGHTTP2_DATA:
      if (length > 0 || last) return;
      break;
    case NGHTTP2_PUSH_PROMISE:  // no side of ours takes any
      return give_up(Reset::kProtocolError);
    default: break;
  }
  if (!idle_frames_.spend(now_)) give_up(Reset::kEnhanceYourCalm);
}

void Link::note_sent(uint8_t type, size_t length, uint32_t code) {
  if (type == NGHTTP2_DATA) {
    idle_frames_.earn(2 + length / kBytesPerWindowUpdate);
  } else if (type == NGHTTP2_RST_STREAM) {
    note_reset_sent(code);
  } else if (type == NGHTTP2_GOAWAY) {
    ++goaways_;
    if (code != NGHTTP2_NO_ERROR && !failure_) failure_ = Error{words_.broken};
  }
}

}  // namespace penstock::h2
