// When a certificate is valid, as seconds since 1970.
#pragma once

#include <openssl/x509.h>

#include <chrono>
#include <ctime>
#include <optional>

namespace penstock::bump {

// Browsers take no leaf that is valid for longer; both ends belong to it.
inline constexpr time_t kDay = 24 * 3600;
inline constexpr time_t kValidityMax = 398 * kDay - 1;

struct Dates {
  time_t from = 0;
  time_t until = 0;

  bool has(time_t now) const { return from <= now && now <= until; }
};

// Not by timegm(3): it reads the local time zone's file, and the key keeper may open none.
inline std::optional<time_t> seconds_of(const ASN1_TIME* time) {
  tm at{};
  if (ASN1_TIME_to_tm(time, &at) != 1) return std::nullopt;
  const std::chrono::sys_days day =
      std::chrono::year(at.tm_year + 1900) / (at.tm_mon + 1) / at.tm_mday;
  return day.time_since_epoch() / std::chrono::days(1) * kDay + at.tm_hour * 3600 + at.tm_min * 60 +
         at.tm_sec;
}

// Nothing: a date cannot be read.
inline std::optional<Dates> dates_of(const X509* certificate) {
  const auto from = seconds_of(X509_get0_notBefore(certificate));
  const auto until = seconds_of(X509_get0_notAfter(certificate));
  if (!from || !until) return std::nullopt;
  return Dates{*from, *until};
}

}  // namespace penstock::bump
