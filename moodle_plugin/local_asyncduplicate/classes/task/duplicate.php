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
 * The ad hoc task that makes one copy.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\task;

use core\task\adhoc_task;
use local_asyncduplicate\local\worker;

/**
 * Makes one copy. It is never run twice: a task that finds its row begun by another process ends the row as failed.
 */
class duplicate extends adhoc_task {
    /** @var int Copies at the same time, unless the setting says otherwise. */
    public const DEFAULT_CONCURRENCY = 2;

    /**
     * Name for administrators.
     *
     * @return string
     */
    public function get_name() {
        return get_string('taskduplicate', 'local_asyncduplicate');
    }

    /**
     * Makes the copy, or ends its row as failed. Throws only when the database is gone.
     */
    public function execute() {
        worker::run($this->get_custom_data()->duplicateid);
    }

    /**
     * Moodle must not try again (Moodle 4.4 and later ask for this).
     *
     * @return bool
     */
    public function retry_until_success(): bool {
        return false;
    }

    /**
     * Copies at the same time.
     *
     * @return int
     */
    protected function get_default_concurrency_limit(): int {
        return (int) (get_config('local_asyncduplicate', 'concurrency') ?: self::DEFAULT_CONCURRENCY);
    }
}
