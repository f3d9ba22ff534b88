<?php
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.

/**
 * Dates that move with the course.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use core_date;
use DateTimeImmutable;

/**
 * Moves dates in the time zone of the site.
 */
class dates {
    /**
     * The end date of a copy: the given one, or that of the source, moved by as many days as the start date.
     *
     * Restore moves by seconds, and an end at midnight becomes one at 01:00 where daylight saving changes in between.
     *
     * @param request $request
     * @param int $oldstart
     * @param int $oldend
     * @return int
     */
    public static function end(request $request, int $oldstart, int $oldend): int {
        if ($request->enddate !== null) {
            return $request->enddate;
        }
        if ($request->startdate === null || !$oldstart || !$oldend) {
            return $oldend;
        }
        $move = self::clock($request->startdate) - self::clock($oldstart);
        return self::moment(self::clock($oldend) + $move);
    }

    /**
     * What a clock on the wall shows, in seconds.
     *
     * @param int $moment Unix timestamp
     * @return int
     */
    private static function clock(int $moment): int {
        return $moment + core_date::get_server_timezone_object()->getOffset(new DateTimeImmutable('@' . $moment));
    }

    /**
     * When a clock on the wall shows something.
     *
     * @param int $clock
     * @return int Unix timestamp
     */
    private static function moment(int $clock): int {
        return (new DateTimeImmutable(gmdate('Y-m-d H:i:s', $clock), core_date::get_server_timezone_object()))->getTimestamp();
    }
}
