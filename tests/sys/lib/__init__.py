# SPDX-License-Identifier: Apache-2.0
"""What the system tests stand on: processes, servers, mounts, reports."""
