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
 * What the functions that take one duplicateid have in common.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\external;

use context_system;
use core_external\external_api;
use core_external\external_function_parameters;
use core_external\external_value;

/**
 * A function that takes one duplicateid.
 */
abstract class job_api extends external_api {
    /**
     * Parameters of the function.
     *
     * @return external_function_parameters
     */
    public static function execute_parameters(): external_function_parameters {
        return new external_function_parameters([
            'duplicateid' => new external_value(PARAM_ALPHANUMEXT, 'the unique id of the duplication process'),
        ]);
    }

    /**
     * The validated duplicateid.
     *
     * @param string $duplicateid
     * @return string
     */
    protected static function validated(string $duplicateid): string {
        $params = self::validate_parameters(self::execute_parameters(), ['duplicateid' => $duplicateid]);
        self::validate_context(context_system::instance());
        return $params['duplicateid'];
    }

    /**
     * Description of phase, status and progress.
     *
     * @return external_value[]
     */
    protected static function status_fields(): array {
        return [
            'phase' => new external_value(PARAM_INT, 'the current phase: 1 backup (and before it), 2 restore'),
            'status' => new external_value(PARAM_INT, 'the status of the phase: 700 waits, 800 runs, 900 failed, 1000 done'),
            'progress' => new external_value(PARAM_FLOAT, 'the overall progress of the duplication, from 0 to 1'),
        ];
    }
}
