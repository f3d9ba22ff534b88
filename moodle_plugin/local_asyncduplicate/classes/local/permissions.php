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
 * Who may do what.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use context_course;
use context_coursecat;
use context_system;
use stdClass;

/**
 * The capabilities of core_course_duplicate_course, and those of what goes beyond it.
 */
class permissions {
    /**
     * Requires everything a user needs for a copy. Called at the start and again when the task runs.
     *
     * @param request $request
     * @param int $userid
     * @throws \required_capability_exception
     */
    public static function require_copy(request $request, int $userid): void {
        $category = context_coursecat::instance($request->categoryid);
        $course = context_course::instance($request->sourceid);
        require_capability('moodle/course:create', $category, $userid);
        require_capability('moodle/restore:restorecourse', $category, $userid);
        require_capability('moodle/backup:backupcourse', $course, $userid);
        if ($request->options['users']) {
            require_capability('moodle/backup:userinfo', $course, $userid);
            require_capability('moodle/restore:userinfo', $category, $userid);
        }
        if ($request->options['enrolments'] === choices::ENROLMENTS_ALWAYS) {
            require_capability('moodle/course:enrolconfig', $category, $userid);
        }
        if ($request->startdate !== null) {
            require_capability('moodle/restore:rolldates', $category, $userid);
        }
    }

    /**
     * Whether the current user may see everybody's duplications.
     *
     * @return bool
     */
    public static function may_see_all(): bool {
        return has_capability('local/asyncduplicate:viewall', context_system::instance());
    }

    /**
     * Whether the current user may see a duplication.
     *
     * @param stdClass $job
     * @return bool
     */
    public static function may_see(stdClass $job): bool {
        global $USER;
        return $job->userid == $USER->id || self::may_see_all();
    }

    /**
     * Requires that the current user may cancel a duplication.
     *
     * @param stdClass $job
     * @throws \required_capability_exception
     */
    public static function require_cancel(stdClass $job): void {
        global $USER;
        if ($job->userid != $USER->id) {
            require_capability('local/asyncduplicate:cancelany', context_system::instance());
        }
    }
}
