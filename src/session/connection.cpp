// One client connection, first byte to last, in reading order: the steps are those of
// docs/life-of-a-connection.md.
//
// Everything held is held by a local or by the Connection, so that ending early, or being
// cancelled at any co_await, gives it all back. What a step needs and its successors do not (head
// buffer, parser, DNS answer, dial candidates) lives in that step's frame and is gone with it:
// an established tunnel keeps two streams, two flows and the notes for its log line.
//
// Thread: the accepting worker's, start to finish.   Locks: none.
#include "session/connection.h"

#include <algorithm>
#include <span>
#include <utility>

#include "dial/reach.h"
#include "observe/probes.h"
#include "session/adapt.h"
#include "session/admit.h"
#include "session/announcement.h"
#include "session/entrance.h"
#include "session/forward.h"
#include "session/hello.h"
#include "session/identify.h"
#include "session/inside.h"
#include "session/inspect.h"
#include "session/presence.h"
#include "session/refusal.h"
#include "session/secure.h"
#include "session/watch.h"
#include "tunnel/carry.h"

namespace penstock::session {

namespace probe = observe::probe;
using loop::Task;

namespace {

using Failure = std::optional<Error>;

// Where is it? A name that is an address needs no look-up.
Task<Result<dns::Answer>> resolve(Connection& c, const http::Authority& whom, dns::Wanted wanted) {
  if (whom.literal) co_return dns::Answer{{*whom.literal}, true, false};
  const Instant began = c.worker.loop().read_clock();
  const Instant deadline = deadline_after(began, c.config().timeouts.resolve);
  auto answer =
      co_await while_client_stays(c, c.worker.resolver().resolve(whom.host, wanted, deadline));
  const Instant ended = c.worker.loop().read_clock();
  c.story.times.resolve.add(began, ended);
  probe::resolve(c.step_end(micros_between(began, ended), probe::word(answer)),
                 answer ? answer->addresses.size() : 0);
  co_return answer;
}

// How long the handshake with the origin took by the kernel's clock, where that is switched on.
void ask_kernel(Connection& c) {
  const bpf::DialClock* const clock = c.worker.dial_clock();
  const auto handshake = clock ? clock->handshake(c.origin.fd()) : std::nullopt;
  if (!handshake) return;
  c.story.times.connect.add({}, Instant(handshake->connect));
  c.story.syn_retransmits =
      static_cast<uint8_t>(std::min<uint64_t>(handshake->syn_retransmits, UINT8_MAX));
}

// One that has carried other requests to this authority. Only for a request that may be sent again:
// the origin may be closing it at this moment.
std::optional<dial::Reached> idle_origin(Connection& c, const std::vector<policy::Route>& routes) {
  if (!c.forward || c.forward->fresh || !c.forward->request.repeatable()) return std::nullopt;
  auto idle = c.worker.origins().take(c.story.target, routes, trust_of(c));
  c.forward->reused = idle.has_value();
  return idle;
}

// Connects by one of `routes`: at once where there is a spare, which is looked at here and used
// without a wait in between; else by a dial. Towards parents there are none; and who is announced
// gets a connection of its own, since whoever reads a header waits for it from the connect on.
// `parents_leave`: what becomes of a parent will be known later, and told to its breaker then.
Task<Failure> connect(Connection& c, const std::vector<policy::Route>& routes,
                      admission::Routes::Leave* parents_leave = nullptr) {
  const auto& timeouts = c.config().timeouts;
  const bool announces = c.story.announces() != policy::Announce::kNothing;
  dial::Spares* const spares = c.story.parent || announces ? nullptr : &c.worker.spares();
  const Instant began = c.worker.loop().read_clock();
  if (spares && c.inside) {
    const auto joined = co_await join_origin(c, routes);
    c.story.times.dial.add(began, c.worker.loop().read_clock());
    if (!joined) co_return joined.error();
    if (*joined) co_return std::nullopt;
  }
  auto spare = spares ? idle_origin(c, routes) : std::nullopt;
  if (spares && !spare) spare = spares->take(routes);
  c.story.spare = spare.has_value();
  Result<dial::Reached> reached = fail(Code::kDialFailed);
  if (spare) {
    reached = std::move(*spare);
  } else {
    dial::Means means = c.worker.means();
    means.judged_later = parents_leave != nullptr;
    reached =
        co_await while_client_stays(c, dial::reach(c.worker.loop(), routes, means, timeouts.attempt,
                                                   deadline_after(began, timeouts.dial)));
  }
  const Instant ended = c.worker.loop().read_clock();
  c.story.times.dial.add(began, ended);
  probe::dial(c.step_end(micros_between(began, ended), probe::word(reached)),
              reached ? reached->peer.address : IpAddress());
  if (!reached) co_return reached.error();
  if (spares && !c.forward) spares->follow(c.story.target, routes, *reached);
  if (parents_leave) *parents_leave = std::move(reached->leave);
  c.port = std::move(reached->port);
  c.origin = std::move(reached->stream);
  c.story.route = reached->peer;
  ask_kernel(c);
  co_return std::nullopt;
}

// Which of `addresses` may be dialled, or why none.
Result<std::vector<policy::Route>> judge_addresses(Connection& c, const policy::Decision& decision,
                                                   std::span<const IpAddress> addresses) {
  c.story.step = Step::kJudgeAddresses;
  Code why = Code::kAddressDenied;
  bool would_deny = false;
  auto routes = c.config().rules->judge_addresses(decision, c.asker(), c.story.target, addresses,
                                                  c.situation->surroundings, &why, &would_deny);
  c.story.would_deny |= would_deny;
  probe::judge_addresses(c.step_end(0, routes.empty() ? probe::word(why) : ""), routes.size());
  if (routes.empty()) return fail(why);
  return routes;
}

// Resolves, judges and dials. When the first answer led nowhere and the other address family was
// still to come, that is waited for and judged in the same way: dialling itself never resolves.
Task<Failure> reach_origin(Connection& c, const policy::Decision& decision) {
  dns::Wanted wanted = dns::Wanted::kSoon;
  std::vector<IpAddress> tried;
  Failure failure;
  for (;;) {
    // 5. Where is it?
    c.story.step = Step::kResolve;
    const auto answer = co_await resolve(c, c.story.target, wanted);
    if (!answer) {
      const bool left = answer.error().code == Code::kClientGone;
      co_return failure && !left ? *failure : answer.error();
    }
    std::vector<IpAddress> fresh;
    for (const IpAddress& address : answer->addresses) {
      if (std::find(tried.begin(), tried.end(), address) == tried.end()) fresh.push_back(address);
    }
    if (fresh.empty() && failure) co_return failure;

    // 6. May that be reached? An allowed name may still point inside our network, and every
    // address it has is judged.
    const auto routes = judge_addresses(c, decision, fresh);
    if (routes) {
      // 7. Reach it. From here on the name is only a label: what is dialled was judged.
      c.story.step = Step::kDial;
      failure = co_await connect(c, *routes);
      if (!failure || failure->code == Code::kClientGone) co_return failure;
    } else if (!failure) {
      failure = routes.error();
    }
    if (answer->complete) co_return failure;
    tried.insert(tried.end(), fresh.begin(), fresh.end());
    wanted = dns::Wanted::kComplete;
  }
}

// A destination that is written as an address is judged as ever. A name is the parent's to look up,
// and the parent's to judge by where it leads.
Failure judge_literal(Connection& c, const policy::Decision& decision) {
  if (!c.story.target.literal) return std::nullopt;
  const auto routes = judge_addresses(c, decision, {&*c.story.target.literal, 1});
  return routes ? Failure() : routes.error();
}

Task<Failure> try_parent(Connection& c, const policy::Decision& decision,
                         const http::ProxyUrl& parent) {
  c.story.parent = std::make_unique<ParentNotes>();
  c.story.parent->authority = parent.authority.text();
  c.story.step = Step::kResolve;
  const auto answer = co_await resolve(c, parent.authority, dns::Wanted::kComplete);
  if (!answer) co_return answer.error();
  const auto routes = c.config().rules->routes_to_parent(
      decision, parent.authority.port, answer->addresses, c.situation->surroundings);
  if (routes.empty()) co_return Error{Code::kLoop};
  c.story.step = Step::kDial;
  admission::Routes::Leave leave;
  if (const auto failure = co_await connect(c, routes, &leave)) co_return failure;
  const Instant began = c.worker.loop().read_clock();
  const auto asked = co_await while_client_stays(
      c, ask_parent(c, parent, deadline_after(began, c.config().timeouts.dial)));
  const Instant ended = c.worker.loop().read_clock();
  c.story.times.dial.add(began, ended);
  // A destination that keeps a parent waiting says nothing of the parent, or else any client could
  // close the way to it for everybody.
  if (const auto fit = c.story.parent->fit) {
    *fit ? leave.succeeded(ended) : leave.failed(asked.error().code, ended);
  }
  co_return asked ? Failure() : asked.error();
}

// Through the first parent of the rule that can be had.
Task<Failure> reach_by_parent(Connection& c, const policy::Decision& decision) {
  if (const auto denied = judge_literal(c, decision)) co_return denied;
  Failure failure;
  for (const http::ProxyUrl& parent : decision.rule->via) {
    c.origin.close();
    c.port = admission::PortShare();
    failure = co_await try_parent(c, decision, parent);
    if (!failure || !another_may_do(failure->code)) break;
  }
  co_return failure;
}

// 1. and 2. What is asked, and by whom? On a TLS listener that is said in private.
Task<Failure> hear_out(Connection& c) {
  const bool first = !c.entrance;
  if (first && !c.listener().announcers.empty()) {
    if (const auto failed = co_await hear_announcement(c)) co_return failed;
  }
  if (first && c.tls_context()) {
    if (const auto failed = co_await secure(c)) co_return failed;
  }
  if (const auto failed = co_await hear_request(c)) co_return failed;
  if (c.is_trunk) co_return std::nullopt;

  // Has he had his share?
  auto share = c.worker.quotas().admit(*c.config().quotas, c.asker(), c.worker.loop().now());
  const Failure over_quota = share ? Failure() : c.story.deny(share.error());
  probe::identify(c.step_end(0, probe::word(over_quota)));
  if (over_quota) co_return over_quota;
  c.quota_share = std::move(*share);
  co_return std::nullopt;
}

// The policy may have changed during a wait, and then the new one decides.
bool still_allowed(Connection& c) {
  const auto& now = c.worker.situation();
  return c.situation == now || c.adopt(now);
}

// 3. to 7. From a request to a connected origin. The permit for a pending set-up ends with this
// frame.
Task<Failure> find_origin(Connection& c) {
  const Presence pending(c.worker.metrics().set_ups, c.worker.loop());

  // 3. May this client use this name? A refused name takes nobody's place and is never looked up.
  c.story.step = Step::kJudgeName;
  const auto decision = c.config().rules->judge_name(c.asker(), c.story.target);
  c.story.judged = true;
  c.story.allowed = decision.allowed;
  c.story.would_deny = decision.would_deny;
  c.story.rule = decision.rule;
  const Failure denied = decision.allowed ? Failure() : Error{decision.why};
  probe::judge_name(c.step_end(0, probe::word(denied)),
                    c.story.rule ? c.story.rule->name.c_str() : "");
  if (denied) co_return denied;
  if (c.inside) {
    if (const auto refused = co_await judge_inside(c)) co_return refused;
    if (c.forward->own_answer) co_return std::nullopt;  // there is nothing to ask an origin
  }

  // 4. Is there room? Asked before DNS and connect, since those are what overload breaks first.
  c.story.step = Step::kAdmit;
  admission::Permit permit(c.worker.door());
  if (const auto refused = co_await get_permit(c, permit)) co_return refused;

  // 5. to 7. Where is it, may that be reached, reach it.
  const bool direct = !decision.rule || decision.rule->via.empty();
  Failure failure =
      direct ? co_await reach_origin(c, decision) : co_await reach_by_parent(c, decision);
  // What was connected before says nothing of how long the destination takes, or how it is.
  if (!c.story.spare) give_permit_back(c, permit, failure);
  if (!failure && !still_allowed(c)) failure = Error{Code::kNameDenied};
  if (failure && failure->facts().side == Side::kPolicy) c.story.allowed = false;
  if (!failure && direct && c.story.announces() != policy::Announce::kNothing) {
    failure = co_await announce_client(c);
  }
  // What was inside TLS goes on in TLS.
  if (!failure && c.inside && !c.forward->reused) failure = co_await secure_origin_inside(c);
  if (c.inside) end_joining(c, failure);
  co_return failure;
}

// 8. Say yes. The origin is connected, so the answer is true; past it, bytes belong to the tunnel.
Task<Failure> say_established(Connection& c) {
  const std::string reply = c.entrance->established(c);
  loop::Timer timer(c.worker.loop());
  timer.arm(deadline_after(c.worker.loop().now(), c.config().timeouts.head));
  if (const int error = co_await loop::write_all(c.worker.loop(), c.client, reply, timer)) {
    co_return Error{Code::kClientGone, error};
  }
  c.story.status = 200;
  c.story.established = true;
  c.story.opening.add(c.story.accepted, c.worker.loop().now());
  c.worker.metrics().tunnels.arrive(c.story.opened());
  probe::established(c.step_end(micros_between(c.story.accepted, c.worker.loop().now())));
  co_return std::nullopt;
}

// In place of step 8: the request goes to the origin and its answer to the client. Where a
// connection that had been idle turns out to be dead, or the origin sends a stream back unread,
// everything from the rules on is done once more.
Task<Failure> exchange(Connection& c) {
  if (c.forward->own_answer) co_return co_await deliver_own_answer(c);
  if (!still_allowed(c)) co_return Error{Code::kNameDenied};
  Failure failure = co_await forward(c);
  if (!failure || !was_stale(c, *failure)) co_return failure;
  c.forward->fresh = true;
  c.forward->reused = false;
  c.forward->http1_only = c.forward->stream && c.forward->stream->wants_http1();
  c.forward->stream = nullptr;
  c.origin.close();
  c.port = admission::PortShare();
  c.story.up = {};
  failure = co_await find_origin(c);
  if (!failure) failure = co_await forward(c);
  co_return failure;
}

// Steps 1 to 8. What they need is in this frame and its children's, and goes with it.
PENSTOCK_OWN_FRAME Task<> open_tunnel(Connection& c) {
  if (!c.seated()) {
    c.story.error = Error{Code::kNoSeat};
  } else if (c.worker.door().memory_short()) {
    c.story.error = Error{Code::kNoMemory};  // before its head takes more of it
  } else {
    c.story.error = co_await hear_out(c);
  }
  if (c.is_trunk) co_return;  // each of its streams has had a life of its own
  if (!c.story.error) c.story.error = co_await find_origin(c);
  if (!c.story.error) c.story.error = co_await (c.forward ? exchange(c) : say_established(c));
  if (c.story.error || c.forward) co_return;
  if (!still_allowed(c)) c.story.error = Error{Code::kPolicyChanged};
}

tunnel::Patience patience_of(const Connection& c) {
  const auto& timeouts = c.config().timeouts;
  return {timeouts.idle, timeouts.half_closed, deadline_after(c.story.accepted, timeouts.lifetime)};
}

// Its rule may want it read, which takes both ends' TLS to be here.
bool inspects(const Connection& c) {
  return c.inside || (c.story.rule && c.story.rule->inspect);
}

// By the origin behind its 101, or behind a parent's 200. No temporary of it is in serve()'s frame.
[[gnu::noinline]] void deliver_what_was_said(Connection& c, tunnel::Flow& down) {
  if (c.forward) return down.deliver_first(std::move(c.forward->behind));
  if (c.story.parent) down.deliver_first(std::move(c.story.parent->spoke_first));
}

// Whoever has a tunnel knows how it ends. Others are told no, or have had their last answer.
bool takes_leave(const Connection& c) {
  if (c.is_trunk) return false;
  if (c.story.error) return c.story.step != Step::kCarry;
  return c.forward && !c.forward->switched && !c.client_persists;
}

}  // namespace

loop::RootTask serve(Worker& worker, Arrival& arrival) {
  loop::RootTask::promise_type& root = co_await loop::ThisTask{};
  Connection c(worker, root, arrival);
  probe::accept(c.step_end(0, c.seated() ? "" : probe::word(Code::kNoSeat)),
                c.story.client.address);
  co_await open_tunnel(c);
  if (!c.story.error && !c.is_trunk && (!c.forward || c.forward->switched)) {
    if (!inspects(c)) hand_to_kernel(c);
    tunnel::Flow up(c.worker.relay(), c.client, c.origin, c.story.up);
    tunnel::Flow down(c.worker.relay(), c.origin, c.client, c.story.down);
    up.cap(c.config().limits.bandwidth, c.quota_share.up());
    down.cap(c.config().limits.bandwidth, c.quota_share.down());
    deliver_what_was_said(c, down);

    // 9. What does the client say first? A ClientHello must name the destination that was asked
    // for; otherwise an allowed name is the way to any other on the same servers.
    if (!c.forward) {
      c.story.step = Step::kHello;
      co_await read_hello(c, down);
      probe::hello(c.step_end(c.story.times.hello.value(), probe::word(c.story.error)),
                   c.story.hello ? c.story.hello->sni.c_str() : "");
    }
    if (!c.story.error && !c.forward && is_to_be_read(c)) {
      co_await inspect(c, patience_of(c));
    } else if (!c.story.error) {
      if (!c.early.empty()) up.deliver_first(std::move(c.early));

      // 10. Carry bytes until both halves have closed, both sides are silent, or time is up.
      c.story.step = Step::kCarry;
      c.story.error = co_await tunnel::carry(up, down, patience_of(c));
      if (!c.story.error && up.ended_first()) c.port.rest(c.worker.loop().now());
    }
  }
  if (takes_leave(c)) co_await take_leave(c);
}

}  // namespace penstock::session
