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
 * Web service: core_course_async_duplicate_course_get_status.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\external;

use core_external\external_single_structure;
use local_asyncduplicate\local\jobs;

/**
 * Phase, status and progress of one duplication, exactly as proposed in MDL-64916.
 */
class get_status extends job_api {
    /**
     * The status.
     *
     * @param string $duplicateid
     * @return array
     */
    public static function execute(string $duplicateid): array {
        return jobs::status(jobs::get_visible(self::validated($duplicateid)));
    }

    /**
     * What is returned.
     *
     * @return external_single_structure
     */
    public static function execute_returns(): external_single_structure {
        return new external_single_structure(self::status_fields());
    }
}
