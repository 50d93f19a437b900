// The key of all leaves of this process: P-256, made when it is first asked for, never written
// down.
#pragma once

#include "tls/owned.h"

namespace penstock::bump {

// A reference of one's own. Thread: any.
tls::OwnedKey leaf_key();

}  // namespace penstock::bump
