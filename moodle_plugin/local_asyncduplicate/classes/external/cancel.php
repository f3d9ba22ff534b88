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
 * Web service: core_course_async_duplicate_course_cancel.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\external;

use core_external\external_single_structure;
use core_external\external_value;
use local_asyncduplicate\local\cancellation;
use local_asyncduplicate\local\jobs;
use local_asyncduplicate\local\permissions;

/**
 * Cancels a duplication.
 */
class cancel extends job_api {
    /**
     * Ends one that waits, and asks one that runs to stop. One that ended stays as it is.
     *
     * @param string $duplicateid
     * @return array
     */
    public static function execute(string $duplicateid): array {
        $job = jobs::get_visible(self::validated($duplicateid));
        permissions::require_cancel($job);
        return ['duplicateid' => $job->duplicateid, 'state' => jobs::state(cancellation::request($job))];
    }

    /**
     * What is returned.
     *
     * @return external_single_structure
     */
    public static function execute_returns(): external_single_structure {
        return new external_single_structure([
            'duplicateid' => new external_value(PARAM_ALPHANUMEXT, 'the unique id of the duplication process'),
            'state' => new external_value(PARAM_ALPHA, 'cancelled; running while the work is being stopped; '
                . 'succeeded or failed if it had ended before'),
        ]);
    }
}
