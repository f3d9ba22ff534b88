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
 * The cancelling of duplications.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use stdClass;

/**
 * Ends a duplication that waits at once, and asks one that runs to stop.
 */
class cancellation {
    /**
     * Cancels a duplication. One that ended already stays as it is.
     *
     * @param stdClass $job
     * @return stdClass the row as it is now
     */
    public static function request(stdClass $job): stdClass {
        global $DB;
        if (jobs::is_ended($job)) {
            return $job;
        }
        $DB->set_field(jobs::TABLE, 'cancelrequested', 1, ['id' => $job->id]);
        // Who works on it has the lock, and looks at the field whenever it reports progress.
        $lock = locks::of_job($job->duplicateid);
        if ($lock) {
            try {
                $now = jobs::find($job->duplicateid);
                if ($now && !jobs::is_ended($now)) {
                    ending::fail($now, jobs::CANCELLED, '');
                }
            } finally {
                locks::release($lock);
            }
        }
        return jobs::find($job->duplicateid) ?? $job;
    }
}
