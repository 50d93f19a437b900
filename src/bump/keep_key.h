// The key keeper: a process that has the owner's key and nothing else, signs leaves for the proxy
// that started it, and ends with it. What the proxy can be made to say of its memory has no key in
// it.
//
// Messages (SOCK_SEQPACKET), each whole:
//   keeper: 'R', SHA-256 of its certificate, a warning about the key's file (may be empty)
//      or:  'F', a KeyFile, what is wrong with it; then it ends
//   proxy:  a draft (bump/signet.h)
//   keeper: 'S', its signature;  or 'N', why it does not sign that
#pragma once

#include "bump/signet.h"

namespace penstock::bump {

inline constexpr char kReady = 'R';
inline constexpr char kFault = 'F';
inline constexpr char kSigned = 'S';
inline constexpr char kNotSigned = 'N';
inline constexpr size_t kAnswerBytesMax = 2048;

// The whole of the process, on its descriptor sys::Child::kDescriptor. An exit status.
int keep_key(const KeyFiles& files);

}  // namespace penstock::bump
