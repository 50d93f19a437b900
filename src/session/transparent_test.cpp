#include <gtest/gtest.h>

#include "session/rig_test.h"

namespace penstock::session {
namespace {

// What comes by netfilter is played through in tests/e2e/test_transparent.py.
class TransparentClients : public Session {};

TEST_F(TransparentClients, AreNoneWhereTheyCameToTheListenerItself) {
  begin(kLab);
  auto config = std::make_shared<config::Config>(*worker_->situation()->config);
  config->listeners[0].transparent = config::Transparent::kRedirect;
  worker_->adopt(std::make_shared<const Situation>(std::move(config), surroundings_));
  Peer client = connect();
  until_over(client);
  client.close();
  expect_ending("refused", "loop", 502);
  EXPECT_EQ(lines_[0]["protocol"], "transparent");
}

}  // namespace
}  // namespace penstock::session
